// One row's routing as bytes: the `routing` column of a session.
//
// Layout, version 1, little-endian, no padding:
//   0   u8   version = 1
//   1   u8   0
//   2   u16  0
//   4   u32  I, number of expert ids (layers × slots)
//   8   u32  W, number of expert weights (0: not recorded)
//   12  u32  R, number of router facts (layers)
//   16  u32  D, number of probabilities (layers × experts, 0 without distributions)
//   20  I × i16                                              expert ids; −1 unused, −2 − e: e was selected, did not run
//       W × f32                                              expert weights
//       R × (f32 entropy, f32 top, f32 last, f32 next probability, i16 next expert, u8 active,
//            u8 flags; its bits 6 and 7 are bits 8 and 9 of active)
//       D × f32                                              router distributions
//       u32  CRC-32 (IEEE 802.3) of all bytes before it
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope {

/// Routing of one row in storage of its own.
struct RoutingRow {
    std::vector<std::int16_t> expert_ids;
    std::vector<float> expert_weights;
    std::vector<RouterFacts> router;
    std::vector<float> distributions;
};

/// Bytes of a row of this shape in which nothing is missing.
std::size_t routingBytes(const TraceShape& shape);

/// Replaces the content of `bytes`.
void encodeRouting(const StepTrace& trace, std::vector<std::byte>& bytes);

/// Fills `row`. Throws Error naming `where` when the bytes are no routing that fits the shape.
void decodeRouting(std::span<const std::byte> bytes, const TraceShape& shape, std::string_view where, RoutingRow& row);

}  // namespace mixoscope
