// Names for the numbers that identify things, so that signatures say which is meant.
#pragma once

#include <cstdint>

namespace mixoscope {

using TokenId = std::int32_t;
using ExpertId = std::int32_t;
using LaneId = std::int32_t;
using Step = std::int64_t;  // forward passes since the generation began, from 0

}  // namespace mixoscope
