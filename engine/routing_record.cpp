#include "engine/routing_record.h"

#include <algorithm>
#include <cassert>

namespace mixoscope {

namespace {

RouterFacts factsOf(LaneRouting& routing, const RoutedRow& row) {
    const kernels::SelectionFacts selection = routing.describe(row);
    RouterFacts facts;
    facts.entropy = selection.entropy;
    facts.top_probability = selection.top_probability;
    facts.last_probability = selection.last_probability;
    facts.next_probability = selection.next_probability;
    facts.next_expert = static_cast<std::int16_t>(selection.next_expert);
    facts.active = static_cast<std::uint16_t>(runningIds(row).size());
    const bool tie = selection.next_expert >= 0 && selection.last_probability == selection.next_probability;
    facts.flags = static_cast<std::uint8_t>(row.flags | (tie ? layer_flag::kTie : 0));
    return facts;
}

}  // namespace

TraceShape traceShapeOf(const ModelConfig& config, std::int64_t slots, bool distributions) {
    return {.moe_layers = static_cast<std::int32_t>(config.moeLayerCount()),
            .slots = static_cast<std::int32_t>(slots > 0 ? slots : config.num_experts_per_tok),
            .experts = static_cast<std::int32_t>(config.num_experts),
            .distributions = distributions};
}

RoutingRecord::RoutingRecord(const TraceShape& shape, std::int64_t rows) : m_shape(shape), m_rows(rows) {
    const std::size_t layers = static_cast<std::size_t>(rows) * static_cast<std::size_t>(shape.moe_layers);
    m_expert_ids.assign(layers * static_cast<std::size_t>(shape.slots), -1);
    m_expert_weights.assign(layers * static_cast<std::size_t>(shape.slots), 0.0F);
    m_router.resize(layers);
    if (shape.distributions) m_distributions.resize(layers * static_cast<std::size_t>(shape.experts));
}

std::span<std::int16_t> RoutingRecord::expertIds(std::int64_t row) {
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers) * static_cast<std::size_t>(m_shape.slots);
    return std::span(m_expert_ids).subspan(static_cast<std::size_t>(row) * width, width);
}

std::span<float> RoutingRecord::expertWeights(std::int64_t row) {
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers) * static_cast<std::size_t>(m_shape.slots);
    return std::span(m_expert_weights).subspan(static_cast<std::size_t>(row) * width, width);
}

std::span<RouterFacts> RoutingRecord::router(std::int64_t row) {
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers);
    return std::span(m_router).subspan(static_cast<std::size_t>(row) * width, width);
}

std::span<float> RoutingRecord::distributions(std::int64_t row) {
    if (!m_shape.distributions) return {};
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers) * static_cast<std::size_t>(m_shape.experts);
    return std::span(m_distributions).subspan(static_cast<std::size_t>(row) * width, width);
}

void RoutingRecord::put(std::int64_t row, std::int64_t moe_layer, const RoutedRow& routed, LaneRouting& routing) {
    const auto slots = static_cast<std::size_t>(m_shape.slots);
    const std::size_t first = static_cast<std::size_t>(moe_layer) * slots;
    assert(routed.ids.size() == slots);
    std::transform(routed.ids.begin(), routed.ids.end(), expertIds(row).subspan(first, slots).begin(),
                   [](std::int32_t id) { return static_cast<std::int16_t>(id); });
    std::copy(routed.weights.begin(), routed.weights.end(), expertWeights(row).subspan(first, slots).begin());
    router(row)[static_cast<std::size_t>(moe_layer)] = factsOf(routing, routed);
    if (!m_shape.distributions) return;
    const std::size_t experts = routed.probabilities.size();
    // Experts that were taken out of the choice are marked by a negative probability.
    std::transform(routed.probabilities.begin(), routed.probabilities.end(),
                   distributions(row).subspan(static_cast<std::size_t>(moe_layer) * experts, experts).begin(),
                   [](float probability) { return probability < 0.0F ? 0.0F : probability; });
}

}  // namespace mixoscope
