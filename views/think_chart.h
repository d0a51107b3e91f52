// Think length: the thinking tokens of every turn against the budget that it had.
#pragma once

#include <QTimer>
#include <QWidget>
#include <vector>

#include "views/bridge.h"
#include "views/exportable_view.h"
#include "views/selection.h"

QT_BEGIN_NAMESPACE
class QBarSeries;
class QBarSet;
class QGraphicsSimpleTextItem;
class QLineSeries;
class QStackedWidget;
class QValueAxis;
QT_END_NAMESPACE

namespace mixoscope {

class ChartFrame;

class ThinkChart : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit ThinkChart(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    void refresh();
    QBarSet& bars() { return *m_bars; }
    QLineSeries& budgetLine() { return *m_budgets; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;
    void showEvent(QShowEvent* event) override;

private:
    void restyle();
    /// Ranges of the axes, and what lies on them: depends on the size too.
    void fitAxes();
    void placeLabels();
    const std::vector<TurnFacts>& turns() const;
    static QString describe(const TurnFacts& turn, int index);

    Selection& m_selection;
    SnapshotPointer m_snapshot;
    QTimer m_timer;
    QStackedWidget* m_pages;
    ChartFrame* m_frame;
    QBarSeries* m_series;
    QBarSet* m_bars;
    QLineSeries* m_budgets;
    QValueAxis* m_turns_axis;
    QValueAxis* m_tokens_axis;
    std::vector<QGraphicsSimpleTextItem*> m_labels;  // B of every turn, above its step
};

}  // namespace mixoscope
