// LaneSettings as JSON, as sessions keep them. Unknown keys are ignored, absent ones keep their defaults.
#pragma once

#include <string>
#include <string_view>

#include "engine/lane_settings.h"

namespace mixoscope {

std::string settingsToJson(const LaneSettings& settings);
/// Throws Error naming the field.
LaneSettings settingsFromJson(std::string_view json, std::string_view where);

}  // namespace mixoscope
