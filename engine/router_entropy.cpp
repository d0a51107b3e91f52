#include "engine/router_entropy.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {

namespace {

double entropyBelow(const RoutedRow& row, std::size_t likeliest) {
    const std::span<const float> probabilities = row.probabilities;
    if (!(probabilities[likeliest] > 0.0F)) return 0.0;
    // ln p = ln p_max + z − z_max, and the probabilities sum to 1: one logarithm does for all experts.
    const float highest = row.logits[likeliest];
    const auto term = [&](std::size_t expert) {
        const float distance = row.logits[expert] - highest;  // not finite where the probability is 0 or shared
        return probabilities[expert] > 0.0F && std::isfinite(distance)
                   ? static_cast<double>(probabilities[expert]) * static_cast<double>(distance)
                   : 0.0;
    };
    double even = 0.0;  // two sums side by side do not wait for one another
    double odd = 0.0;
    for (std::size_t expert = 0; expert + 1 < probabilities.size(); expert += 2) {
        even += term(expert);
        odd += term(expert + 1);
    }
    if (probabilities.size() % 2 != 0) even += term(probabilities.size() - 1);
    return std::max(0.0, -std::log(static_cast<double>(probabilities[likeliest])) - (even + odd));
}

}  // namespace

double routerEntropy(const RoutedRow& row) {
    if (row.probabilities.empty()) return 0.0;
    const auto likeliest = std::ranges::max_element(row.probabilities);
    return entropyBelow(row, static_cast<std::size_t>(likeliest - row.probabilities.begin()));
}

double normalisedRouterEntropy(const RoutedRow& row) {
    if (row.probabilities.size() < 2) return 0.0;
    return std::min(1.0, routerEntropy(row) / std::log(static_cast<double>(row.probabilities.size())));
}

double normalisedRouterEntropy(const RoutedRow& row, std::int32_t likeliest) {
    if (row.probabilities.size() < 2) return 0.0;
    return std::min(1.0, entropyBelow(row, static_cast<std::size_t>(likeliest)) /
                             std::log(static_cast<double>(row.probabilities.size())));
}

}  // namespace mixoscope
