// The routing of one step's rows, laid out so that a row's part is what StepTrace shows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/config.h"
#include "engine/lane_routing.h"
#include "engine/step_trace.h"

namespace mixoscope {

/// Preallocated for a number of rows, filled by a forward pass.
class RoutingRecord {
public:
    RoutingRecord() = default;
    RoutingRecord(const TraceShape& shape, std::int64_t rows);

    const TraceShape& shape() const { return m_shape; }
    std::int64_t rows() const { return m_rows; }

    std::span<std::int16_t> expertIds(std::int64_t row);  // (moe_layers, slots), as in StepTrace
    std::span<float> expertWeights(std::int64_t row);     // (moe_layers, slots), 0 unused
    std::span<RouterFacts> router(std::int64_t row);      // (moe_layers)
    std::span<float> distributions(std::int64_t row);     // (moe_layers, experts), or empty

    /// What was chosen for a row in a MoE layer, and what the lane's policy says of it.
    void put(std::int64_t row, std::int64_t moe_layer, const RoutedRow& routed, LaneRouting& routing);

private:
    TraceShape m_shape;
    std::int64_t m_rows = 0;
    std::vector<std::int16_t> m_expert_ids;
    std::vector<float> m_expert_weights;
    std::vector<RouterFacts> m_router;
    std::vector<float> m_distributions;
};

/// Shape of the routing of this model with up to `slots` experts a row (0: the model's num_experts_per_tok).
TraceShape traceShapeOf(const ModelConfig& config, std::int64_t slots, bool distributions);

}  // namespace mixoscope
