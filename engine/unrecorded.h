// What stands in a trace for a value that nobody recorded, as in routing that another engine recorded. Where there is a
// NaN for it, as of probabilities, that stands there; weights that were not recorded are an empty span.
#pragma once

#include <cstdint>

namespace mixoscope {

constexpr std::int64_t kNotTimed = -1;       // in place of a time in microseconds
constexpr std::int32_t kUnknownBudget = -1;  // TokenTrace::budget

}  // namespace mixoscope
