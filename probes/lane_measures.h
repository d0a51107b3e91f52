// What a lane's routing cost and how evenly it used its experts, over the rows of its history: selections that ran and
// that did not, weights read, balance. Incremental, from the History alone, so live, replayed and forked lanes are
// measured alike.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/load.h"
#include "probes/routing_history.h"

namespace mixoscope {

/// Counts over some rows of a lane. A selection either ran, was dropped (capacity) or was virtual (any-experts).
struct RoutingCounts {
    std::int64_t rows = 0;
    std::int64_t layer_rows = 0;  // rows × MoE layers
    std::int64_t ran = 0;
    std::int64_t dropped = 0;
    std::int64_t virtual_selections = 0;
    /// Experts that the lane's rows of one step ran, each once a step and layer: what is read of memory for the lane
    /// alone. With one row a step it equals `ran`.
    std::int64_t distinct = 0;
    std::int64_t bytes = 0;  // weights of those

    bool operator==(const RoutingCounts&) const = default;
    RoutingCounts& operator+=(const RoutingCounts& other);

    std::int64_t selections() const { return ran + dropped + virtual_selections; }
    double ranPerLayer() const;    // experts that ran per row and layer; NaN without rows
    double bytesPerToken() const;  // bytes / rows; NaN without rows
    double droppedShare() const;   // dropped / selections; NaN without selections
    double virtualShare() const;
};

/// Balance of a lane, each measure taken per layer and averaged over the layers (never pooled).
struct LaneBalance {
    double cv = 0.0;        // NaN without rows
    double cv_floor = 0.0;  // what an ideal random router shows over as few rows
    std::int64_t rows = 0;
};
LaneBalance measureLaneBalance(const LoadCounter& load);

/// Follows a history as it grows. A history that has become shorter is counted again from its beginning.
class RoutingCounter {
public:
    /// `expert_bytes`: (MoE layers) weights of one expert of the layer.
    RoutingCounter(const TraceShape& shape, std::vector<std::int64_t> expert_bytes);

    /// Counts the rows that `history` has beyond those counted so far. Rows whose record was lost are left out.
    void advance(const History& history);

    /// Rows of the prompt, and rows of the tokens after it (which decode).
    const RoutingCounts& prompt() const { return m_prompt; }
    const RoutingCounts& generated() const { return m_generated; }
    RoutingCounts all() const;

private:
    void addRow(const History& history, std::int32_t position);

    TraceShape m_shape;
    std::vector<std::int64_t> m_expert_bytes;
    RoutingCounts m_prompt;
    RoutingCounts m_generated;
    std::int32_t m_rows = 0;           // of the history, counted
    bool m_injected = false;           // the last row counted was injected
    Step m_step = -1;                  // that fed the last row counted, if it was of the prompt
    std::vector<std::int32_t> m_seen;  // (layers, experts) last group of rows that ran the expert
    std::int32_t m_group = 0;          // groups so far: the rows of one step
};

}  // namespace mixoscope
