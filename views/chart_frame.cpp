#include "views/chart_frame.h"

#include <QAbstractAxis>
#include <QChart>
#include <QContextMenuEvent>
#include <QEvent>
#include <QGraphicsLayout>
#include <QLegend>
#include <QValueAxis>
#include <algorithm>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kLabelRoom = 26.0;  // QtCharts shortens a label that has less height to "…"
constexpr int kMostSteps = 5;

}  // namespace

ChartFrame::ChartFrame(QWidget* parent) : QChartView(new QChart, parent) {
    chart()->setAnimationOptions(QChart::NoAnimation);
    chart()->legend()->hide();
    chart()->setMargins(QMargins(4, 4, 4, 2));
    chart()->setBackgroundRoundness(0);
    chart()->layout()->setContentsMargins(0, 0, 0, 0);
    setFrameShape(QFrame::NoFrame);
    setMinimumSize(180, 120);
    setFocusPolicy(Qt::NoFocus);  // it has no keys, and a graphics view does not let Tab go on
    m_after_layout.setSingleShot(true);
    m_after_layout.setInterval(0);
    connect(chart(), &QChart::plotAreaChanged, &m_after_layout, qOverload<>(&QTimer::start));
    connect(&m_after_layout, &QTimer::timeout, this, [this] {
        const QSize size = chart()->plotArea().size().toSize();
        if (size == m_plot_size) return;
        m_plot_size = size;
        Q_EMIT plotResized();
    });
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

ValueScale ChartFrame::fitValueAxis(QValueAxis& axis, double highest) const {
    const auto labels = static_cast<int>(chart()->plotArea().height() / kLabelRoom);
    const ValueScale scale = niceScale(0.0, highest, std::clamp(labels - 1, 1, kMostSteps));
    axis.setRange(0.0, scale.high);
    axis.setTickCount(static_cast<int>(scale.ticks().size()));
    axis.setLabelFormat(u"%.%1f"_s.arg(scale.decimals));
    return scale;
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
