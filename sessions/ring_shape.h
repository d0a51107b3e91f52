// How a conversation's or comparison's trace ring is laid out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/config.h"
#include "engine/step_trace.h"

namespace mixoscope {

/// The shape that a model's traces have with up to `slots` experts a row (fewer than the model's own k: that k), known
/// before the generation that needs the ring as its sink.
TraceShape tracedShape(const ModelConfig& config, std::int32_t slots);

/// Records that the ring is to hold: by memory, within bounds.
std::size_t ringSlots(const TraceShape& shape);

}  // namespace mixoscope
