#include "engine/routing_rule.h"

#include <algorithm>
#include <cassert>

namespace mixoscope {

std::unique_ptr<RuleState> ChoosingRule::makeState(const RuleSizes& /*sizes*/) const {
    return nullptr;
}

void RowRule::choose(int layer, std::span<RoutedRow* const> rows, RuleState* /*state*/) const {
    for (RoutedRow* row : rows) chooseRow(layer, *row);
}

void EditRule::adjust(int /*layer*/, RoutedRow& /*row*/) const {}

bool EditRule::removes(int /*layer*/, std::int32_t /*expert*/) const {
    return false;
}

std::span<const std::int32_t> EditRule::forced(int /*layer*/) const {
    return {};
}

std::int32_t chooseLikeliest(RoutedRow& row, std::int32_t most) {
    assert(most >= 0 && static_cast<std::size_t>(most) <= row.ids.size());
    const auto places = row.ids.first(static_cast<std::size_t>(most));
    std::fill(row.ids.begin() + most, row.ids.end(), -1);
    return kernels::rankExperts(row.probabilities, places);
}

void keepFirst(RoutedRow& row, std::int32_t count) {
    std::fill(row.ids.begin() + count, row.ids.end(), -1);
}

std::span<std::int32_t> runningIds(const RoutedRow& row) {
    const auto end = std::find_if(row.ids.begin(), row.ids.end(), [](std::int32_t id) { return id < 0; });
    return row.ids.first(static_cast<std::size_t>(end - row.ids.begin()));
}

bool weighByProbability(RoutedRow& row, kernels::Renormalise renormalise) {
    const std::span<const std::int32_t> running = runningIds(row);
    kernels::weighExperts(row.probabilities, running, renormalise, row.weights);
    return renormalise == kernels::Renormalise::kYes;
}

}  // namespace mixoscope
