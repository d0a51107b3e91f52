#include "views/expert_load_chart.h"

#include <QChart>
#include <QLabel>
#include <QLineSeries>
#include <QMouseEvent>
#include <QVBoxLayout>
#include <QValueAxis>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr std::size_t kMostPoints = 800;
constexpr double kTickSpacing = 70.0;

/// As many as a plot can show, the last one among them.
QList<QPointF> thinned(const std::vector<QPointF>& points) {
    const std::size_t every = (points.size() + kMostPoints - 1) / kMostPoints;
    QList<QPointF> kept;
    for (std::size_t i = 0; i < points.size(); i += std::max<std::size_t>(every, 1)) kept << points[i];
    if (!points.empty() && kept.back() != points.back()) kept << points.back();
    return kept;
}

}  // namespace

ExpertLoadChart::ExpertLoadChart(Selection& selection, QWidget* parent)
    : QWidget(parent),
      m_selection(selection),
      m_legend(new QLabel(this)),
      m_frame(new ChartFrame(this)),
      m_lines{new QLineSeries(this), new QLineSeries(this)},
      m_even_line(new QLineSeries(this)),
      m_cursor(new QLineSeries(this)),
      m_positions(new QValueAxis(this)),
      m_shares(new QValueAxis(this)) {
    m_legend->setObjectName(u"expertLoadLegend"_s);
    m_legend->setContentsMargins(10, 4, 10, 2);
    m_legend->setFont(textFont(font_size::kCaption));
    m_legend->setWordWrap(true);
    m_frame->setAccessibleName(tr("Share of rows over time"));
    m_frame->setToolTip(tr("Click selects the token at this position"));
    m_positions->setTitleText(tr("Token position"));
    m_positions->setLabelFormat(u"%d"_s);
    m_positions->setTickType(QValueAxis::TicksDynamic);
    m_positions->setTickAnchor(0.0);
    m_frame->chart()->addAxis(m_positions, Qt::AlignBottom);
    m_frame->chart()->addAxis(m_shares, Qt::AlignLeft);
    for (QLineSeries* line : {m_cursor, m_even_line, m_lines[1], m_lines[0]}) {
        m_frame->chart()->addSeries(line);
        line->attachAxis(m_positions);
        line->attachAxis(m_shares);
    }
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 6, 4);
    column->setSpacing(0);
    column->addWidget(m_legend);
    column->addWidget(m_frame, 1);
    m_frame->viewport()->installEventFilter(this);
    connect(m_frame, &ChartFrame::plotResized, this, &ExpertLoadChart::fitAxes);
    connect(m_frame, &ChartFrame::themeChanged, this, &ExpertLoadChart::restyle);
    connect(&m_selection, &Selection::tokenChanged, this, &ExpertLoadChart::showCursor);
    restyle();
}

void ExpertLoadChart::show(Line selected, Line pinned, double even, std::int32_t window) {
    m_selected = std::move(selected);
    m_pinned = std::move(pinned);
    m_even = even;
    m_lines[0]->replace(thinned(m_selected.points));
    m_lines[1]->replace(thinned(m_pinned.points));
    m_shares->setTitleText(tr("Share of the last %1 rows").arg(window));
    showLegend();
    fitAxes();
}

void ExpertLoadChart::fitAxes() {
    double last = 1.0;
    double highest = std::isnan(m_even) ? 0.01 : m_even * 1.5;
    double first = 0.0;
    for (const Line* line : {&m_selected, &m_pinned}) {
        if (line->points.empty()) continue;
        first = line->points.front().x();
        last = std::max(last, line->points.back().x());
        for (const QPointF& point : line->points) highest = std::max(highest, point.y());
    }
    m_positions->setRange(first, std::max(last, first + 1.0));
    const double labels = std::max(1.0, m_frame->chart()->plotArea().width() / kTickSpacing);
    m_positions->setTickInterval(std::max(1.0, roundUp125((last - first) / labels)));
    m_frame->fitValueAxis(*m_shares, highest);
    const bool known = !std::isnan(m_even);
    m_even_line->replace(known ? QList<QPointF>{{first, m_even}, {last, m_even}} : QList<QPointF>{});
    showCursor();
}

void ExpertLoadChart::showCursor() {
    const double position = m_selection.token();
    const bool inside = position >= m_positions->min() && position <= m_positions->max();
    m_cursor->replace(inside ? QList<QPointF>{{position, 0.0}, {position, m_shares->max()}} : QList<QPointF>{});
}

void ExpertLoadChart::showLegend() {
    const auto entry = [](const QString& mark, const QColor& colour, const QString& text) {
        return u"<span style='color:%1'>%2</span> %3"_s.arg(colour.name(), mark, text.toHtmlEscaped());
    };
    QStringList entries;
    if (!m_selected.name.isEmpty()) entries << entry(u"━"_s, colours().accent, m_selected.name);
    if (!m_pinned.name.isEmpty()) entries << entry(u"━"_s, colours().series[2], tr("pinned: %1").arg(m_pinned.name));
    entries << entry(u"┅"_s, colours().text, tr("even share %1").arg(format::probability(m_even)));
    m_legend->setText(entries.join(u"&nbsp;&nbsp;&nbsp;"_s));
}

void ExpertLoadChart::restyle() {
    m_lines[0]->setPen(QPen(colours().accent, 2.0));
    m_lines[1]->setPen(QPen(colours().series[2], 2.0));
    QPen dashed(colours().text, 1.5);
    dashed.setDashPattern({4.0, 2.0});
    m_even_line->setPen(dashed);
    m_cursor->setPen(QPen(colours().muted_text, 1.5));
    m_frame->applyTheme();
    showLegend();
}

bool ExpertLoadChart::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::MouseButtonRelease && !m_selected.points.empty()) {
        const auto* mouse = static_cast<QMouseEvent*>(event);
        const QPointF in_chart = m_frame->chart()->mapFromScene(m_frame->mapToScene(mouse->position().toPoint()));
        if (mouse->button() == Qt::LeftButton && m_frame->chart()->plotArea().contains(in_chart)) {
            const double position = m_frame->chart()->mapToValue(in_chart, m_lines[0]).x();
            m_selection.setToken(static_cast<std::int32_t>(std::lround(position)));
        }
    }
    return QWidget::eventFilter(watched, event);
}

}  // namespace mixoscope
