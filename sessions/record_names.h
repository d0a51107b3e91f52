// What recorded values are called in tables, JSON lines and texts for people who script.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/step_trace.h"
#include "sessions/lane_origin.h"

namespace mixoscope {

std::string_view phaseKey(Phase phase);
/// Values of enumerations as a session holds them; one that is none is written as its number.
std::string modeName(std::int64_t mode);
std::string roleName(int role);
/// A number of tokens, or "unlimited".
std::string budgetText(std::int64_t budget);
const char* stopReasonName(StopReason reason);
const char* laneRoleName(LaneRole role);

}  // namespace mixoscope
