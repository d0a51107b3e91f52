#include "views/think_distribution.h"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>

#include "views/format.h"
#include "views/series_plot.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr double kReach = 9.0;

ThinkDistribution::ThinkDistribution(ExperimentSelection& selection, QWidget* parent)
    : ExperimentChart(selection, parent) {
    setObjectName(u"think_distribution"_s);
    setAccessibleName(tr("Distribution of think length"));
}

std::vector<std::int32_t> ThinkDistribution::lengths(std::size_t cell) const {
    std::vector<std::int32_t> all;
    for (const std::size_t counted : frame().cellsOf(cell)) {
        const auto& runs = selection().experiment()->runs[counted];
        if (runs == nullptr) continue;
        for (const RunResult& run : *runs) all.push_back(run.thinking_tokens);
    }
    std::ranges::sort(all);
    return all;
}

std::vector<ExperimentChart::Mark> ThinkDistribution::paintChart(QPainter& painter, const QRectF& area) {
    const ExperimentSlice& slice = selection().slice();
    const std::size_t place = selection().shownPlace();
    std::vector<std::pair<QString, int>> legend;
    std::int32_t longest = 1;
    for (const std::size_t shown : selection().shownPolicies()) {
        legend.emplace_back(policy(shown), policyTag(shown));
        if (const auto cell = slice.at(shown, place)) {
            const auto all = lengths(*cell);
            if (!all.empty()) longest = std::max(longest, all.back());
        }
    }
    const QRectF plot = plotWithin(paintSeriesLegend(painter, area, legend));
    const ValueScale across = niceScale(0.0, longest, std::max(2, static_cast<int>(plot.width() / 70.0)));
    PlotAxes axes{.x_title = tr("Tokens in the think block at %1").arg(placeText(slice.places[place])),
                  .y_title = tr("Share of runs (%)"),
                  .x_grid = true};
    for (const double value : across.ticks())
        axes.x_ticks.push_back({value / across.high, format::count(static_cast<std::int64_t>(value))});
    axes.y = niceScale(0.0, 1.0, plot.height() < 110.0 ? 2 : 5);
    axes.y_factor = 100.0;
    paintAxes(painter, plot, axes);

    std::vector<Mark> marks;
    const std::vector<std::size_t> policies = selection().shownPolicies();
    for (std::size_t series = 0; series < policies.size(); ++series) {
        const std::size_t shown = policies[series];
        const auto cell = slice.at(shown, place);
        if (!cell) continue;
        const auto all = lengths(*cell);
        if (all.empty()) continue;
        const auto at = [&](double tokens, double share) {
            return QPointF(plot.left() + tokens / across.high * plot.width(), plot.bottom() - share * plot.height());
        };
        QPainterPath path(at(0.0, 0.0));
        for (std::size_t i = 0; i < all.size(); ++i) {
            path.lineTo(at(all[i], static_cast<double>(i) / static_cast<double>(all.size())));
            path.lineTo(at(all[i], static_cast<double>(i + 1) / static_cast<double>(all.size())));
        }
        path.lineTo(at(across.high, 1.0));
        painter.setBrush(Qt::NoBrush);
        painter.setPen(seriesPen(policyTag(shown)));
        painter.drawPath(path);
        // Each mark stands at a share of its own, so that alike lengths do not cover each other.
        const double share = static_cast<double>(series + 1) / static_cast<double>(policies.size() + 1);
        const auto rank = static_cast<std::size_t>(share * static_cast<double>(all.size()));
        const QPointF place_on_line = at(all[std::min(rank, all.size() - 1)], share);
        paintSeriesMark(painter, place_on_line, policyTag(shown), !isFinished(result(*cell)));
        if (selection().cell() == *cell) paintSelectedMark(painter, place_on_line);
        marks.push_back(
            {QRectF(place_on_line.x() - kReach, place_on_line.y() - kReach, 2 * kReach, 2 * kReach), *cell});
    }
    return marks;
}

QString ThinkDistribution::viewName() const {
    return u"think-distribution"_s;
}

QString ThinkDistribution::viewTitle() const {
    return tr("Distribution of think length");
}

QString ThinkDistribution::csv() const {
    QString text = u"task,policy,sampling,mode,budget,thinking_tokens,runs,runs_at_most\n"_s;
    if (!hasResults()) return text;
    const ExperimentSlice& slice = selection().slice();
    for (std::size_t index = 0; index < slice.policies; ++index) {
        for (std::size_t place = 0; place < slice.places.size(); ++place) {
            const auto cell = slice.at(index, place);
            if (!cell) continue;
            const auto all = lengths(*cell);
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (i + 1 < all.size() && all[i + 1] == all[i]) continue;  // the last of equals counts them all
                text += u"%1,%2,%3,%4\n"_s.arg(placeFields(index, slice.places[place]), QString::number(all[i]),
                                               QString::number(all.size()), QString::number(i + 1));
            }
        }
    }
    return text;
}

}  // namespace mixoscope
