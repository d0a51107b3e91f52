#include "views/accuracy_budget_chart.h"

#include <QPainter>
#include <algorithm>

#include "views/budget_axis.h"
#include "views/series_plot.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr double kReach = 9.0;   // of a mark, for the pointer
constexpr double kInset = 26.0;  // of the first and last place, so that shifted marks stay inside

AccuracyBudgetChart::AccuracyBudgetChart(ExperimentSelection& selection, QWidget* parent)
    : ExperimentChart(selection, parent) {
    setObjectName(u"accuracy_budget"_s);
    setAccessibleName(tr("Accuracy against budget"));
}

EmptyState AccuracyBudgetChart::emptyState() const {
    EmptyState empty = ExperimentChart::emptyState();
    if (empty.title.isEmpty() && !anyJudged())
        empty = {.icon = u"balance"_s,
                 .title = tr("Nothing to judge"),
                 .text = tr("The items of this task have no known answers; choose another task.")};
    return empty;
}

std::vector<ExperimentChart::Mark> AccuracyBudgetChart::paintChart(QPainter& painter, const QRectF& area) {
    const ExperimentSlice& slice = selection().slice();
    const std::vector<std::size_t> policies = selection().shownPolicies();
    std::vector<std::pair<QString, int>> legend;
    for (const std::size_t shown : policies) legend.emplace_back(policy(shown), policyTag(shown));
    const QRectF plot = plotWithin(paintSeriesLegend(painter, area, legend));

    const BudgetAxis axis(slice.places);
    const double inset = std::min(kInset, plot.width() / 4.0);
    const auto along = [&](double position) {
        return (inset + position * (plot.width() - 2.0 * inset)) / plot.width();
    };
    PlotAxes axes{.x_title = tr("Thinking budget B (tokens, logarithmic)"), .y_title = tr("Accuracy (%)")};
    for (std::size_t place = 0; place < slice.places.size(); ++place)
        axes.x_ticks.push_back({along(axis.positions()[place]), placeOnAxis(slice.places[place])});
    for (const double cut : axis.breaks()) axes.x_breaks.push_back(along(cut));
    axes.y = niceScale(0.0, 1.0, plot.height() < 110.0 ? 2 : 5);
    axes.y_factor = 100.0;
    paintAxes(painter, plot, axes);

    const auto height = [&](double share) { return plot.bottom() - share * plot.height(); };
    std::vector<Mark> marks;
    for (std::size_t series = 0; series < policies.size(); ++series) {
        const int tag = policyTag(policies[series]);
        const double shift = seriesShift(series, policies.size());
        std::vector<std::pair<QPointF, std::size_t>> points;  // with their places
        for (std::size_t place = 0; place < slice.places.size(); ++place) {
            const auto cell = slice.at(policies[series], place);
            if (!cell || result(*cell).accuracy.trials == 0) continue;
            const double x = plot.left() + axes.x_ticks[place].at * plot.width() + shift;
            points.emplace_back(QPointF(x, height(result(*cell).accuracy.share)), place);
        }
        painter.setPen(seriesPen(tag));
        for (std::size_t i = 1; i < points.size(); ++i) {
            // Without thinking there is no budget that a line could lead on from.
            if (slice.places[points[i - 1].second].mode == ThinkingMode::kNoThink) continue;
            painter.drawLine(points[i - 1].first, points[i].first);
        }
        for (const auto& [point, place] : points) {
            const std::size_t cell = *slice.at(policies[series], place);
            const Proportion& accuracy = result(cell).accuracy;
            paintErrorBar(painter, point.x(), height(accuracy.low), height(accuracy.high), tag);
            paintSeriesMark(painter, point, tag, !isFinished(result(cell)));
            if (selection().cell() == cell) paintSelectedMark(painter, point);
            marks.push_back({QRectF(point.x() - kReach, point.y() - kReach, 2 * kReach, 2 * kReach), cell});
        }
    }
    return marks;
}

QString AccuracyBudgetChart::viewName() const {
    return u"accuracy-budget"_s;
}

QString AccuracyBudgetChart::viewTitle() const {
    return tr("Accuracy against budget");
}

QString AccuracyBudgetChart::csv() const {
    return accuracyCsv();
}

}  // namespace mixoscope
