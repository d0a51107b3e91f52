#include "probes/forced_measures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/counter_random.h"

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTail = 0.025;  // on each side of the 95 % interval

/// The q-quantile of sorted values, interpolated between neighbours.
double quantile(const std::vector<double>& sorted, double q) {
    const double place = q * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double share = place - static_cast<double>(below);
    return sorted[below] + share * (sorted[above] - sorted[below]);
}

MeanWithInterval bootstrap(const std::vector<double>& values, double mean, std::uint64_t seed) {
    const auto count = values.size();
    std::vector<double> means(kBootstrapResamples);
    std::uint64_t draw = 0;
    for (double& resampled : means) {
        double sum = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            const auto index = static_cast<std::size_t>(uniformAt(seed, draw++) * static_cast<double>(count));
            sum += values[index];
        }
        resampled = sum / static_cast<double>(count);
    }
    std::ranges::sort(means);
    return {.mean = mean, .low = quantile(means, kTail), .high = quantile(means, 1.0 - kTail)};
}

}  // namespace

ForcedMeasures measureForcedMeans(std::span<const ForcedTokenMeasures> base,
                                  std::span<const ForcedTokenMeasures> lane) {
    ForcedMeasures measures{.tokens = static_cast<std::int64_t>(std::min(base.size(), lane.size())),
                            .nll = kNaN,
                            .nll_change = {.mean = kNaN, .low = kNaN, .high = kNaN},
                            .divergence = kNaN,
                            .same_top_share = kNaN};
    if (measures.tokens == 0) return measures;
    const auto tokens = static_cast<double>(measures.tokens);
    double nll = 0.0;
    double change = 0.0;
    double divergence = 0.0;
    double same_top = 0.0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(measures.tokens); ++i) {
        nll -= lane[i].logprob;
        change += base[i].logprob - lane[i].logprob;
        divergence += lane[i].divergence;
        same_top += lane[i].same_top ? 1.0 : 0.0;
    }
    measures.nll = nll / tokens;
    measures.nll_change.mean = change / tokens;
    measures.divergence = divergence / tokens;
    measures.same_top_share = same_top / tokens;
    return measures;
}

ForcedMeasures measureForced(std::span<const ForcedTokenMeasures> base, std::span<const ForcedTokenMeasures> lane,
                             std::uint64_t seed) {
    ForcedMeasures measures = measureForcedMeans(base, lane);
    if (measures.tokens == 0) return measures;
    std::vector<double> changes(static_cast<std::size_t>(measures.tokens));
    for (std::size_t i = 0; i < changes.size(); ++i) changes[i] = base[i].logprob - lane[i].logprob;
    measures.nll_change = bootstrap(changes, measures.nll_change.mean, seed);
    return measures;
}

}  // namespace mixoscope
