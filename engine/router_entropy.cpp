#include "engine/router_entropy.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {

double routerEntropy(const RoutedRow& row) {
    const auto likeliest = std::ranges::max_element(row.probabilities);
    if (likeliest == row.probabilities.end() || !(*likeliest > 0.0F)) return 0.0;
    const auto highest =
        static_cast<double>(row.logits[static_cast<std::size_t>(likeliest - row.probabilities.begin())]);
    // ln p = ln p_max + z − z_max: one logarithm does for all experts. Infinite logits, which share the probability,
    // are equally likely.
    const bool finite = std::isfinite(highest);
    double mass = 0.0;
    double distance = 0.0;
    for (std::size_t expert = 0; expert < row.probabilities.size(); ++expert) {
        const auto probability = static_cast<double>(row.probabilities[expert]);
        if (!(probability > 0.0)) continue;
        mass += probability;
        if (finite) distance += probability * (static_cast<double>(row.logits[expert]) - highest);
    }
    return std::max(0.0, -mass * std::log(static_cast<double>(*likeliest)) - distance);
}

double normalisedRouterEntropy(const RoutedRow& row) {
    if (row.probabilities.size() < 2) return 0.0;
    return std::min(1.0, routerEntropy(row) / std::log(static_cast<double>(row.probabilities.size())));
}

}  // namespace mixoscope
