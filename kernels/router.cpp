#include "kernels/router.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace mixoscope::kernels {
namespace {

/// The total order of experts: numbers before NaN, then the likelier, then the lower id.
struct RanksBefore {
    std::span<const float> probabilities;

    bool operator()(std::int32_t left, std::int32_t right) const {
        const float left_probability = probabilities[static_cast<std::size_t>(left)];
        const float right_probability = probabilities[static_cast<std::size_t>(right)];
        const bool left_nan = std::isnan(left_probability);
        const bool right_nan = std::isnan(right_probability);
        if (left_nan != right_nan) return right_nan;
        if (!left_nan && left_probability != right_probability) return left_probability > right_probability;
        return left < right;
    }
};

float probabilityOf(std::span<const float> probabilities, std::int32_t id) {
    const float probability = probabilities[static_cast<std::size_t>(id)];
    return std::isnan(probability) ? 0.0F : probability;
}

/// The k first of the order, sorted, kept as a heap in `chosen` itself so that nothing is allocated.
void chooseFirst(const RanksBefore& ranks_before, std::int32_t experts, std::span<std::int32_t> chosen) {
    const auto k = static_cast<std::int32_t>(chosen.size());
    for (std::int32_t id = 0; id < k; ++id) chosen[static_cast<std::size_t>(id)] = id;
    std::make_heap(chosen.begin(), chosen.end(), ranks_before);  // its front ranks last
    for (std::int32_t id = k; id < experts; ++id) {
        if (!ranks_before(id, chosen.front())) continue;
        std::pop_heap(chosen.begin(), chosen.end(), ranks_before);
        chosen.back() = id;
        std::push_heap(chosen.begin(), chosen.end(), ranks_before);
    }
    std::sort_heap(chosen.begin(), chosen.end(), ranks_before);
}

std::int32_t firstNotChosen(const RanksBefore& ranks_before, std::int32_t experts,
                            std::span<const std::int32_t> chosen) {
    std::int32_t next = -1;
    for (std::int32_t id = 0; id < experts; ++id) {
        if (!chosen.empty() && !ranks_before(chosen.back(), id)) continue;
        if (next < 0 || ranks_before(id, next)) next = id;
    }
    return next;
}

float normalisedEntropy(std::span<const float> probabilities) {
    if (probabilities.size() < 2) return 0.0F;
    double sum = 0.0;
    for (const float p : probabilities) {
        if (p > 0.0F) sum -= static_cast<double>(p * std::log(p));
    }
    return static_cast<float>(std::clamp(sum / std::log(static_cast<double>(probabilities.size())), 0.0, 1.0));
}

}  // namespace

SelectionFacts selectTopK(std::span<const float> probabilities, int k, Renormalise renormalise,
                          std::span<std::int32_t> ids, std::span<float> weights) {
    const auto experts = static_cast<std::int32_t>(probabilities.size());
    const auto count = static_cast<std::size_t>(std::clamp(k, 0, experts));
    assert(ids.size() >= count && weights.size() == ids.size());

    const RanksBefore ranks_before{probabilities};
    const auto chosen = ids.first(count);
    if (count > 0) chooseFirst(ranks_before, experts, chosen);

    double sum = 0.0;
    for (std::size_t slot = 0; slot < count; ++slot) {
        weights[slot] = probabilityOf(probabilities, chosen[slot]);
        sum += static_cast<double>(weights[slot]);
    }
    if (renormalise == Renormalise::kYes && sum > 0.0) {
        for (float& weight : weights.first(count)) weight = static_cast<float>(static_cast<double>(weight) / sum);
    }
    std::fill(ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(), -1);
    std::fill(weights.begin() + static_cast<std::ptrdiff_t>(count), weights.end(), 0.0F);

    SelectionFacts facts;
    facts.next_expert = firstNotChosen(ranks_before, experts, chosen);
    if (facts.next_expert >= 0) facts.next_probability = probabilityOf(probabilities, facts.next_expert);
    if (count > 0) {
        facts.top_probability = probabilityOf(probabilities, chosen.front());
        facts.last_probability = probabilityOf(probabilities, chosen.back());
    }
    facts.entropy = normalisedEntropy(probabilities);
    return facts;
}

}  // namespace mixoscope::kernels
