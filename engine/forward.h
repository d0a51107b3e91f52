// The forward pass of one step: rows of any lanes through all layers, written once over kernels::Backend.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/activations.h"
#include "engine/forward_row.h"
#include "engine/ids.h"
#include "engine/kv_cache.h"
#include "engine/lane_routing.h"
#include "engine/model.h"
#include "engine/routing_record.h"
#include "engine/step_trace.h"
#include "kernels/backend.h"

namespace mixoscope {

/// Sees the inside of each MoE layer of a step: for calibration.
class LayerObserver {
public:
    virtual ~LayerObserver() = default;
    /// After the experts were chosen, before they run. `layer` is the trace index.
    virtual void onLayer(std::int64_t layer, const LayerWeights& weights, std::span<const RoutedRow> rows) = 0;
};

/// Computes the rows, writes their keys and values to the cache, and returns the logits (vocab_size) of those rows that
/// want them, in the order of the rows; they stay valid until the next call with these activations. The rows of one
/// LaneRouting lie side by side, and its policy's maxSlots() is at most activations.limits().slots. `record` (may be
/// null) takes up to its own rows and has as many slots as the limits; `observer` may be null. Allocates nothing.
kernels::RowsIn forward(const Model& model, kernels::Backend& backend, const KvCache& cache,
                        std::span<const ForwardRow> rows, Activations& activations, RoutingRecord* record,
                        LayerObserver* observer = nullptr);

}  // namespace mixoscope
