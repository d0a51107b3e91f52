// What lanes of a comparison begin with, before anyone says otherwise.
#pragma once

#include <cstddef>

#include "engine/config.h"
#include "engine/lane_settings.h"

namespace mixoscope {

/// The lane of this index: `model` first, then policies that are worth comparing with it. Greedy, so that lanes differ
/// by their policies alone; `model` wherever the checkpoint does not have the policy.
LaneSettings presetLane(std::size_t index, const ModelConfig& config);

}  // namespace mixoscope
