// LaneSettings as JSON, as events and sessions keep them.
#pragma once

#include <string>
#include <string_view>

#include "engine/lane_settings.h"

namespace mixoscope {

std::string settingsToJson(const LaneSettings& settings);
/// Parts of it, under the same keys: what LaneEvents tell of a change.
std::string samplingToJson(const SamplingSettings& sampling);
std::string earlyStopToJson(const EarlyStop& early_stop);

/// `settings` with everything that the JSON names; unknown keys are ignored. Throws Error naming the field.
LaneSettings settingsFromJson(std::string_view json, std::string_view where, LaneSettings settings = {});

}  // namespace mixoscope
