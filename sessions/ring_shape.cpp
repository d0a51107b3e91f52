#include "sessions/ring_shape.h"

#include <algorithm>

#include "probes/trace_ring.h"

namespace mixoscope {

namespace {

constexpr std::size_t kRingBytes = std::size_t{64} << 20;
constexpr std::size_t kMostRingSlots = 16384;
constexpr std::size_t kFewestRingSlots = 1024;

}  // namespace

TraceShape tracedShape(const ModelConfig& config, std::int32_t slots) {
    TraceShape shape;
    shape.moe_layers = static_cast<std::int32_t>(config.moeLayerCount());
    if (shape.moe_layers == 0) return shape;
    shape.slots = std::max(slots, static_cast<std::int32_t>(config.num_experts_per_tok));
    shape.experts = static_cast<std::int32_t>(config.num_experts);
    return shape;
}

std::size_t ringSlots(const TraceShape& shape) {
    return std::clamp(kRingBytes / TraceRing::slotBytes(shape), kFewestRingSlots, kMostRingSlots);
}

}  // namespace mixoscope
