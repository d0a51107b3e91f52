// The runs behind a point of an experiment: what was asked, expected and answered, and what can be done with a run.
#pragma once

#include <QWidget>

#include "views/experiment_selection.h"
#include "views/exportable_view.h"
#include "views/models/experiment_runs_model.h"

class QButtonGroup;
class QLabel;
class QPlainTextEdit;
class QPushButton;
class QStackedWidget;
class QTableView;

namespace mixoscope {

class EmptyPage;

class ExperimentRunsView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit ExperimentRunsView(ExperimentSelection& selection, QWidget* parent = nullptr);

    QTableView& table() { return *m_table; }
    /// Why no run can be asked anew in the chat; empty: it can.
    void setAskDisabledReason(const QString& reason);

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

Q_SIGNALS:
    /// The same question under the same settings is to be asked in the chat.
    void askAsked(std::size_t cell, std::size_t item);

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    void refresh();
    void showRun();
    void updateButtons();
    RunFilter filter() const;

    ExperimentSelection& m_selection;
    ExperimentRunsModel* m_model;
    std::vector<std::shared_ptr<const CellRuns>> m_shown;
    std::optional<std::size_t> m_shown_cell;
    RunFilter m_shown_filter = RunFilter::kAll;
    QString m_ask_reason;
    QLabel* m_title;
    QButtonGroup* m_filters;
    QTableView* m_table;
    QPlainTextEdit* m_detail;
    QPushButton* m_ask;
    QPushButton* m_replay;
    QStackedWidget* m_pages;
    EmptyPage* m_empty;
};

}  // namespace mixoscope
