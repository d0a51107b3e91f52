// The forward pass of one step: rows of any lanes through all layers, written once over kernels::Backend.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/activations.h"
#include "engine/ids.h"
#include "engine/kv_cache.h"
#include "engine/lane_routing.h"
#include "engine/model.h"
#include "engine/step_trace.h"
#include "kernels/backend.h"

namespace mixoscope {

/// One token of one sequence in a step. Rows of one sequence are given in ascending position; each position before a
/// row's is in the cache already or an earlier row of the same step.
struct ForwardRow {
    TokenId token = 0;                   // within the vocabulary
    kernels::SequencePosition sequence;  // `position` lies inside the sequence's writable part
    LaneRouting* routing = nullptr;      // of its lane; never null for a model with experts
    bool wants_logits = false;
    // What policies may go by:
    Phase phase = Phase::kPrompt;
    std::uint8_t token_flags = 0;                             // token_flag
    float logprob = std::numeric_limits<float>::quiet_NaN();  // as in TokenTrace
};

/// Sees the inside of each MoE layer of a step: for calibration.
class LayerObserver {
public:
    virtual ~LayerObserver() = default;
    /// After the experts were chosen, before they run. `layer` is the trace index.
    virtual void onLayer(std::int64_t layer, const LayerWeights& weights, std::span<const RoutedRow> rows) = 0;
};

/// Routing of a step's rows: preallocated, filled by forward(), laid out so that a row's part is what StepTrace shows.
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
/// want them, in the order of the rows; they stay valid until the next call with these activations. The rows of one
/// LaneRouting lie side by side, and its policy's maxSlots() is at most activations.limits().slots. `record` (may be
/// null) takes up to its own rows and has as many slots as the limits; `observer` may be null. Allocates nothing.
kernels::RowsIn forward(const Model& model, kernels::Backend& backend, const KvCache& cache,
                        std::span<const ForwardRow> rows, Activations& activations, RoutingRecord* record,
                        LayerObserver* observer = nullptr);

}  // namespace mixoscope
