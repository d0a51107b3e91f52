// Where forward passes are computed: on the host by a kernels::Backend, or on a device that holds the weights. What
// generation and commands see of either.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "engine/activations.h"
#include "engine/forward_row.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/routing_record.h"
#include "kernels/types.h"

namespace mixoscope {

/// The forward passes of one set of lanes, with their cache and buffers. Driven by one thread.
class ForwardPass {
public:
    virtual ~ForwardPass() = default;

    virtual KvCache& cache() = 0;
    /// Whether a row has the same bits however the rows before it were cut into steps.
    virtual bool sameBitsInAnySteps() const = 0;
    /// Computes the rows, writes their keys and values to the cache, and returns the logits (vocab_size) of those rows
    /// that want them, in the order of the rows; they stay valid until the next call. The rows of one LaneRouting lie
    /// side by side and its policy's maxSlots() is at most the limits' slots. `record` (may be null) takes up to its
    /// own rows and has as many slots as the limits. Throws Error when a device fails.
    virtual kernels::RowsIn run(std::span<const ForwardRow> rows, RoutingRecord* record) = 0;
};

class Processor {
public:
    virtual ~Processor() = default;
    /// Name for people, e.g. "cpu (AVX2, 2 threads)".
    virtual std::string_view name() const = 0;
    /// Bytes that the cache of a forward pass with these limits may take.
    virtual std::int64_t roomForKeysAndValues(const ForwardLimits& limits) const = 0;
    /// GB/s, read and written, at which a device copies within its memory, measured now; nothing for the host.
    virtual std::optional<double> measureCopyBandwidth() { return std::nullopt; }
    /// `model` must outlive what is made, and is the one that a device holds. Throws Error when memory is too little.
    virtual std::unique_ptr<ForwardPass> makeForwardPass(const Model& model, const ForwardLimits& limits,
                                                         std::int64_t kv_pages) = 0;
};

}  // namespace mixoscope
