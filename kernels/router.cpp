#include "kernels/router.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace mixoscope::kernels {
namespace {

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

bool inChoice(std::span<const float> probabilities, std::int32_t id) {
    return !(probabilities[static_cast<std::size_t>(id)] < 0.0F);
}

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
        // Most are less likely than all in the heap, and of equals the lower id is there already.
        const float worst = ranks_before.probabilities[static_cast<std::size_t>(chosen.front())];
        if (ranks_before.probabilities[static_cast<std::size_t>(id)] <= worst) continue;
        if (!ranks_before(id, chosen.front())) continue;
        std::pop_heap(chosen.begin(), chosen.end(), ranks_before);
        chosen.back() = id;
        std::push_heap(chosen.begin(), chosen.end(), ranks_before);
    }
    std::sort_heap(chosen.begin(), chosen.end(), ranks_before);
}

/// The same for any set of experts and any probabilities, expert by expert.
std::int32_t firstNotChosenSlowly(std::span<const float> probabilities, std::span<const std::int32_t> chosen) {
    const RanksBefore ranks_before{probabilities};
    std::int32_t next = -1;
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(probabilities.size()); ++id) {
        if (!inChoice(probabilities, id) || std::find(chosen.begin(), chosen.end(), id) != chosen.end()) continue;
        if (next < 0 || ranks_before(id, next)) next = id;
    }
    return next;
}

/// The first of the order that is not among the chosen. Usually nothing was passed over and nothing is equal to the
/// last chosen; then it is the likeliest of those below it, which takes one pass without a branch that could go either
/// way.
std::int32_t firstNotChosen(std::span<const float> probabilities, std::span<const std::int32_t> chosen) {
    if (chosen.empty()) return firstNotChosenSlowly(probabilities, chosen);
    const float last = probabilities[static_cast<std::size_t>(chosen.back())];
    std::size_t above = 0;
    std::size_t equal = 0;
    float best = -1.0F;
    for (const float probability : probabilities) {
        above += probability > last ? 1U : 0U;
        equal += probability == last ? 1U : 0U;
        best = std::max(best, probability < last ? probability : -1.0F);
    }
    // NaN is neither, and a negative one is no choice.
    if (above + 1 != chosen.size() || equal != 1 || best < 0.0F) return firstNotChosenSlowly(probabilities, chosen);
    return static_cast<std::int32_t>(std::find(probabilities.begin(), probabilities.end(), best) -
                                     probabilities.begin());
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

std::int32_t rankExperts(std::span<const float> probabilities, std::span<std::int32_t> ids) {
    const std::size_t places = std::min(ids.size(), probabilities.size());
    std::size_t count = places;
    if (count > 0)
        chooseFirst(RanksBefore{probabilities}, static_cast<std::int32_t>(probabilities.size()), ids.first(count));
    while (count > 0 && !inChoice(probabilities, ids[count - 1])) --count;  // they rank last of all numbers
    std::fill(ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(), -1);
    return static_cast<std::int32_t>(count);
}

void sortByRank(std::span<const float> probabilities, std::span<std::int32_t> ids) {
    std::sort(ids.begin(), ids.end(), RanksBefore{probabilities});
}

void weighExperts(std::span<const float> probabilities, std::span<const std::int32_t> ids, Renormalise renormalise,
                  std::span<float> weights) {
    assert(weights.size() >= ids.size());
    double sum = 0.0;
    for (std::size_t slot = 0; slot < ids.size(); ++slot) {
        weights[slot] = probabilityOf(probabilities, ids[slot]);
        sum += static_cast<double>(weights[slot]);
    }
    if (renormalise == Renormalise::kYes && sum > 0.0) {
        for (float& weight : weights.first(ids.size())) weight = static_cast<float>(static_cast<double>(weight) / sum);
    }
    std::fill(weights.begin() + static_cast<std::ptrdiff_t>(ids.size()), weights.end(), 0.0F);
}

SelectionFacts describeSelection(std::span<const float> probabilities, std::span<const std::int32_t> ids) {
    SelectionFacts facts;
    facts.next_expert = firstNotChosen(probabilities, ids);
    if (facts.next_expert >= 0) facts.next_probability = probabilityOf(probabilities, facts.next_expert);
    facts.top_probability = facts.next_probability;
    if (!ids.empty()) {
        facts.top_probability = std::max(facts.top_probability, probabilityOf(probabilities, ids.front()));
        facts.last_probability = probabilityOf(probabilities, ids.back());
    }
    return facts;
}

SelectionFacts selectTopK(std::span<const float> probabilities, int k, Renormalise renormalise,
                          std::span<std::int32_t> ids, std::span<float> weights) {
    const auto places = static_cast<std::size_t>(std::max(k, 0));
    assert(ids.size() >= std::min(places, probabilities.size()) && weights.size() == ids.size());
    const auto first = ids.first(std::min(places, ids.size()));
    std::fill(ids.begin() + static_cast<std::ptrdiff_t>(first.size()), ids.end(), -1);
    const auto chosen = first.first(static_cast<std::size_t>(rankExperts(probabilities, first)));
    weighExperts(probabilities, chosen, renormalise, weights);
    SelectionFacts facts = describeSelection(probabilities, chosen);
    facts.entropy = normalisedEntropy(probabilities);
    return facts;
}

}  // namespace mixoscope::kernels
