// The rows of a step in the layout that a device's kernels read.
#pragma once

#include <cstdint>
#include <span>

#include "engine/config.h"
#include "engine/forward_row.h"
#include "kernels/cuda/step.h"

namespace mixoscope {

/// Bytes of the largest step: of so many rows, with so many pages of all its sequences.
std::int64_t deviceStepInputBytes(const ModelConfig& config, std::int64_t rows, std::int64_t pages);

struct PackedStep {
    std::int64_t bytes = 0;
    bool independent_rows = true;  // no two rows belong to one sequence
    std::int32_t logit_rows = 0;
    /// False: some row is routed by more than "the likeliest experts", so the host has to choose.
    bool routed_by_device = true;
};

/// Writes the step into `block`, which has room for it. The rows of one sequence lie side by side.
PackedStep packDeviceStep(const ModelConfig& config, const RotaryTable& rotary, std::span<const ForwardRow> rows,
                          std::span<std::byte> block);

}  // namespace mixoscope
