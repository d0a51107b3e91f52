// The self-checks with their numbers; a broken one is red and leads to its place.
#pragma once

#include <QWidget>

#include "views/bridge.h"
#include "views/exportable_view.h"
#include "views/models/checks_model.h"
#include "views/phase_runs.h"
#include "views/selection.h"

class QLabel;
class QStackedWidget;
class QTableView;

namespace mixoscope {

class ChecksView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit ChecksView(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    ChecksModel& model() { return *m_model; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void goTo(const QModelIndex& index);
    QString rowsNote(const LaneSnapshot& lane, bool forked);

    Selection& m_selection;
    ChecksModel* m_model;
    QStackedWidget* m_pages;
    QTableView* m_table = nullptr;
    QLabel* m_chip;
    QLabel* m_note;
};

}  // namespace mixoscope
