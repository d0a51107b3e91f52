#include "views/accuracy_cost_chart.h"

#include <QAbstractButton>
#include <QButtonGroup>
#include <QFontMetricsF>
#include <QHBoxLayout>
#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

#include "sessions/pareto_front.h"
#include "views/format.h"
#include "views/segments.h"
#include "views/series_plot.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kReach = 9.0;
constexpr double kChoice = 30.0;  // height of the row with the choice

}  // namespace

AccuracyCostChart::AccuracyCostChart(ExperimentSelection& selection, QWidget* parent)
    : ExperimentChart(selection, parent), m_choice(new QWidget(this)), m_measures(new QButtonGroup(this)) {
    setObjectName(u"accuracy_cost"_s);
    setAccessibleName(tr("Accuracy against speed"));
    auto* row = new QHBoxLayout(m_choice);
    row->setContentsMargins(0, 0, 0, 0);
    const std::pair<QString, QString> measures[] = {
        {tr("tokens/s"), tr("Compare with the tokens that the batch generates in a second")},
        {tr("latency"), tr("Compare with the time from question to the end of the answer")}};
    addSegments(*m_measures, *row, u"cost_measure_"_s, measures);
    connect(m_measures, &QButtonGroup::idClicked, this, [this](int id) { setMeasure(static_cast<CostMeasure>(id)); });
    m_choice->hide();
    connect(&selection, &ExperimentSelection::changed, this,
            [this] { m_choice->setVisible(m_choice_offered && !isEmpty()); });
}

void AccuracyCostChart::setMeasure(CostMeasure measure) {
    m_measure = measure;
    m_measures->button(static_cast<int>(measure))->setChecked(true);
    update();
}

void AccuracyCostChart::setChoiceOffered(bool offered) {
    m_choice_offered = offered;
    m_choice->setVisible(offered && !isEmpty());
}

EmptyState AccuracyCostChart::emptyState() const {
    EmptyState empty = ExperimentChart::emptyState();
    if (empty.title.isEmpty() && points().empty())
        empty = {.icon = u"balance"_s,
                 .title = tr("Nothing to judge"),
                 .text = tr("The items of this task have no known answers; choose another task.")};
    return empty;
}

double AccuracyCostChart::cost(std::size_t cell) const {
    return m_measure == CostMeasure::kTokensPerSecond ? result(cell).tokens_per_s : result(cell).latency_ms;
}

std::vector<AccuracyCostChart::Point> AccuracyCostChart::points() const {
    std::vector<Point> all;
    const ExperimentSlice& slice = selection().slice();
    for (const std::size_t shown : selection().shownPolicies()) {
        for (std::size_t place = 0; place < slice.places.size(); ++place) {
            const auto cell = slice.at(shown, place);
            if (cell && result(*cell).accuracy.trials > 0 && !std::isnan(cost(*cell)))
                all.push_back({*cell, shown, place});
        }
    }
    return all;
}

/// Indices into `all`.
std::vector<std::size_t> AccuracyCostChart::frontOf(const std::vector<Point>& all) const {
    std::vector<Compromise> compromises;
    std::vector<std::size_t> origin;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!isFinished(result(all[i].cell))) continue;
        const double value = cost(all[i].cell);
        compromises.push_back(
            {m_measure == CostMeasure::kTokensPerSecond ? -value : value, result(all[i].cell).accuracy.share});
        origin.push_back(i);
    }
    std::vector<std::size_t> front = paretoFront(compromises);
    for (std::size_t& index : front) index = origin[index];
    return front;
}

std::vector<std::size_t> AccuracyCostChart::front() const {
    std::vector<std::size_t> cells;
    if (!hasResults()) return cells;
    const std::vector<Point> all = points();
    for (const std::size_t index : frontOf(all)) cells.push_back(all[index].cell);
    return cells;
}

void AccuracyCostChart::paintFront(QPainter& painter, const QRectF& plot, const std::vector<QPointF>& corners) const {
    if (corners.empty()) return;
    // What lies beyond the line, towards the better corner, no cell reaches.
    const bool right_is_better = m_measure == CostMeasure::kTokensPerSecond;
    QPainterPath path(QPointF(corners.front().x(), plot.bottom()));
    path.lineTo(corners.front());
    for (std::size_t i = 1; i < corners.size(); ++i) {
        path.lineTo(corners[i].x(), corners[i - 1].y());
        path.lineTo(corners[i]);
    }
    path.lineTo(right_is_better ? plot.left() : plot.right(), corners.back().y());
    QPen dashed(colours().text, 1.3);
    dashed.setDashPattern({4.0, 3.0});
    painter.setPen(dashed);
    painter.setBrush(Qt::NoBrush);
    painter.drawPath(path);
}

std::vector<ExperimentChart::Mark> AccuracyCostChart::paintChart(QPainter& painter, const QRectF& area) {
    std::vector<std::pair<QString, int>> legend;
    for (const std::size_t shown : selection().shownPolicies()) legend.emplace_back(policy(shown), policyTag(shown));
    const QRectF plot = plotWithin(paintSeriesLegend(painter, area.adjusted(0, kChoice, 0, 0), legend));
    const std::vector<Point> all = points();
    double low = cost(all.front().cell);
    double high = low;
    for (const Point& point : all) {
        low = std::min(low, cost(point.cell));
        high = std::max(high, cost(point.cell));
    }
    const double air = high > low ? 0.08 * (high - low) : 0.1 * high;
    const ValueScale across =
        niceScale(std::max(0.0, low - air), high + air, std::max(2, static_cast<int>(plot.width() / 80.0)));
    const bool fast = m_measure == CostMeasure::kTokensPerSecond;
    const std::int32_t lanes = frame().experiment.lanes[selection().lanes()];
    PlotAxes axes{.x_title = fast ? tr("Generated tokens/s, batches of %1").arg(lanes)
                                  : tr("Latency of a run (ms, mean; batches of %1)").arg(lanes),
                  .y_title = tr("Accuracy (%)"),
                  .x_grid = true};
    for (const double value : across.ticks())
        axes.x_ticks.push_back(
            {(value - across.low) / (across.high - across.low), format::fixed(value, fast ? 0 : across.decimals)});
    axes.y = niceScale(0.0, 1.0, plot.height() < 110.0 ? 2 : 5);
    axes.y_factor = 100.0;
    paintAxes(painter, plot, axes);

    const auto at = [&](std::size_t cell) {
        return QPointF(plot.left() + (cost(cell) - across.low) / (across.high - across.low) * plot.width(),
                       plot.bottom() - result(cell).accuracy.share * plot.height());
    };
    const std::vector<std::size_t> best = frontOf(all);
    std::vector<QPointF> corners;
    for (const std::size_t index : best) corners.push_back(at(all[index].cell));
    paintFront(painter, plot, corners);
    std::vector<Mark> marks;
    for (const Point& point : all) {
        const QPointF place = at(point.cell);
        paintSeriesMark(painter, place, policyTag(point.policy), !isFinished(result(point.cell)));
        if (selection().cell() == point.cell) paintSelectedMark(painter, place);
        marks.push_back({QRectF(place.x() - kReach, place.y() - kReach, 2 * kReach, 2 * kReach), point.cell});
    }
    // Names of the points on the front, where they cover nothing.
    painter.setFont(textFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    const QFontMetricsF metrics(painter.font());
    std::vector<QRectF> taken;
    for (const Mark& mark : marks) taken.push_back(mark.area.adjusted(3, 3, -3, -3));
    for (const std::size_t index : best) {
        const QPointF place = at(all[index].cell);
        const QString text = placeText(selection().slice().places[all[index].place]);
        const double width = metrics.horizontalAdvance(text) + 2.0;
        for (const QPointF& corner : {place + QPointF(8.0, -16.0), place + QPointF(8.0, 3.0),
                                      place + QPointF(-8.0 - width, -16.0), place + QPointF(-8.0 - width, 3.0)}) {
            const QRectF box(corner, QSizeF(width, 14.0));
            const bool covers = std::ranges::any_of(taken, [&](const QRectF& other) { return other.intersects(box); });
            if (covers || !plot.adjusted(0, -kReach, 0, 0).contains(box)) continue;
            painter.drawText(box, Qt::AlignCenter, text);
            taken.push_back(box);
            break;
        }
    }
    // The key of the dashed line, beside the choice.
    QPen dashed(colours().text, 1.3);
    dashed.setDashPattern({4.0, 3.0});
    const double key = m_choice_offered ? m_choice->geometry().right() + 14.0 : area.left() + 8.0;
    painter.setPen(dashed);
    painter.drawLine(QPointF(key, area.top() + kChoice / 2.0), QPointF(key + 26.0, area.top() + kChoice / 2.0));
    painter.setPen(colours().muted_text);
    painter.setFont(textFont(font_size::kCaption));
    painter.drawText(QRectF(key + 32.0, area.top(), area.right() - key - 36.0, kChoice),
                     Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(tr("Pareto front of the finished cells"), Qt::ElideRight,
                                                      static_cast<int>(area.right() - key - 36.0)));
    return marks;
}

void AccuracyCostChart::resizeEvent(QResizeEvent* event) {
    ExperimentChart::resizeEvent(event);
    m_choice->adjustSize();
    m_choice->move(10, 5);
}

QString AccuracyCostChart::viewName() const {
    return u"accuracy-speed"_s;
}

QString AccuracyCostChart::viewTitle() const {
    return tr("Accuracy against speed");
}

QString AccuracyCostChart::csv() const {
    QString text =
        u"task,policy,sampling,mode,budget,runs,items,accuracy,accuracy_low,accuracy_high,tokens_per_s,latency_ms,"
        "on_front\n"_s;
    if (!hasResults()) return text;
    const std::vector<std::size_t> best = front();
    for (const Point& point : points()) {
        const CellResult& measured = result(point.cell);
        text += u"%1,%2,%3,%4,%5,%6,%7,%8,%9\n"_s.arg(
            placeFields(point.policy, selection().slice().places[point.place]), QString::number(measured.runs),
            QString::number(measured.items), csvNumber(measured.accuracy.share), csvNumber(measured.accuracy.low),
            csvNumber(measured.accuracy.high), csvNumber(measured.tokens_per_s), csvNumber(measured.latency_ms),
            std::ranges::find(best, point.cell) == best.end() ? u"0"_s : u"1"_s);
    }
    return text;
}

}  // namespace mixoscope
