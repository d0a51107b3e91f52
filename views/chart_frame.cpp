#include "views/chart_frame.h"

#include <QAbstractAxis>
#include <QChart>
#include <QContextMenuEvent>
#include <QEvent>
#include <QGraphicsLayout>
#include <QLegend>

#include "views/theme.h"

namespace mixoscope {

ChartFrame::ChartFrame(QWidget* parent) : QChartView(new QChart, parent) {
    chart()->setAnimationOptions(QChart::NoAnimation);
    chart()->legend()->hide();
    chart()->setMargins(QMargins(4, 4, 4, 2));
    chart()->setBackgroundRoundness(0);
    chart()->layout()->setContentsMargins(0, 0, 0, 0);
    setFrameShape(QFrame::NoFrame);
    setMinimumSize(180, 120);
    applyTheme();
}

void ChartFrame::applyTheme() {
    const ThemeColours& c = colours();
    setBackgroundBrush(c.base);
    chart()->setBackgroundBrush(c.base);
    chart()->setBackgroundPen(Qt::NoPen);
    for (QAbstractAxis* axis : chart()->axes()) {
        axis->setLabelsFont(textFont(font_size::kTick));
        axis->setTitleFont(textFont(font_size::kCaption));
        axis->setLabelsColor(c.muted_text);
        axis->setTitleBrush(c.muted_text);
        axis->setLinePen(QPen(c.strong_border, 1.0));
        axis->setGridLinePen(QPen(c.chart_grid, 1.0));
        axis->setGridLineVisible(axis->orientation() == Qt::Vertical);
    }
}

void ChartFrame::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange) {
        applyTheme();
        Q_EMIT themeChanged();
    }
    QChartView::changeEvent(event);
}

void ChartFrame::contextMenuEvent(QContextMenuEvent* event) {
    event->ignore();  // the panel around the chart has the menu
}

}  // namespace mixoscope
