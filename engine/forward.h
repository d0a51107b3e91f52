// The forward pass of one step: rows of any lanes through all layers, written once over kernels::Backend.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/activations.h"
#include "engine/ids.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/routing_policy.h"
#include "engine/step_trace.h"
#include "kernels/backend.h"

namespace mixoscope {

/// One token of one sequence in a step. Rows of one sequence are given in ascending position; each position before a
/// row's is in the cache already or an earlier row of the same step.
struct ForwardRow {
    TokenId token = 0;                      // within the vocabulary
    kernels::SequencePosition sequence;     // `position` lies inside the sequence's writable part
    const RoutingPolicy* policy = nullptr;  // of its lane; never null for a model with experts
    bool wants_logits = false;
};

/// Routing of a step's rows: preallocated, filled by forward(), laid out so that a row's part is what StepTrace shows.
class RoutingRecord {
public:
    RoutingRecord() = default;
    RoutingRecord(const TraceShape& shape, std::int64_t rows);

    const TraceShape& shape() const { return m_shape; }
    std::int64_t rows() const { return m_rows; }

    std::span<std::int16_t> expertIds(std::int64_t row);  // (moe_layers, slots), −1 unused
    std::span<float> expertWeights(std::int64_t row);     // (moe_layers, slots), 0 unused
    std::span<RouterFacts> router(std::int64_t row);      // (moe_layers)
    std::span<float> distributions(std::int64_t row);     // (moe_layers, experts), or empty

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

/// Computes the rows, writes their keys and values to the cache, and returns the logits (vocab_size) of those rows that
/// want them, in the order of the rows; they stay valid until the next call with these activations. Each policy's
/// maxSlots() is at most activations.limits().slots. `record` (may be null) takes up to its own rows and has as many
/// slots as the limits. Allocates nothing.
kernels::RowsIn forward(const Model& model, kernels::Backend& backend, const KvCache& cache,
                        std::span<const ForwardRow> rows, Activations& activations, RoutingRecord* record);

}  // namespace mixoscope
