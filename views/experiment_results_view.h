// The results of an experiment as a table that can be sorted, copied and exported.
#pragma once

#include <QWidget>

#include "views/experiment_selection.h"
#include "views/exportable_view.h"

class QSortFilterProxyModel;
class QTableView;

namespace mixoscope {

class ExperimentResultsModel;

class ExperimentResultsView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit ExperimentResultsView(ExperimentSelection& selection, QWidget* parent = nullptr);

    QTableView& table() { return *m_table; }
    /// Selected rows with the header, fields separated by tabs, as they are shown.
    QString selectedText() const;

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    /// results.csv as `mixoscope sweep` writes it, with plain line ends.
    QString csv() const override;

Q_SIGNALS:
    /// A double click or Enter on a cell: its runs are asked for.
    void runsAsked();

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void refresh();
    void showSelection();

    ExperimentSelection& m_selection;
    ExperimentResultsModel* m_model;
    QSortFilterProxyModel* m_sorted;
    QTableView* m_table;
    std::shared_ptr<const ExperimentFrame> m_frame;  // that columns were made for
    bool m_showing = false;                          // what was selected elsewhere
    bool m_choosing = false;                         // here
};

}  // namespace mixoscope
