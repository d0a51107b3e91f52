#include "views/budget_axis.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {
namespace {

constexpr double kShareOfGap = 0.16;  // of the logarithmic part's length, for each break
constexpr double kSmallestGap = 1.0;  // in doublings

bool onLogarithm(const ExperimentPlace& place) {
    return place.mode == ThinkingMode::kThink && place.budget > 0 && place.budget != kUnlimitedBudget;
}

}  // namespace

BudgetAxis::BudgetAxis(const std::vector<ExperimentPlace>& places) {
    double low = 0.0;
    double high = 0.0;
    bool any = false;
    for (const ExperimentPlace& place : places) {
        if (!onLogarithm(place)) continue;
        const double doublings = std::log2(place.budget);
        low = any ? std::min(low, doublings) : doublings;
        high = any ? std::max(high, doublings) : doublings;
        any = true;
    }
    const double gap = std::max(kSmallestGap, kShareOfGap * (high - low));
    double at = 0.0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (i > 0) {
            const bool smooth = onLogarithm(places[i]) && onLogarithm(places[i - 1]);
            const double step = smooth ? std::log2(places[i].budget) - std::log2(places[i - 1].budget) : gap;
            if (!smooth) m_breaks.push_back(at + step / 2.0);
            at += step;
        }
        m_positions.push_back(at);
    }
    const double length = at;
    for (double& position : m_positions) position = length > 0.0 ? position / length : 0.5;
    for (double& cut : m_breaks) cut /= length;
}

}  // namespace mixoscope
