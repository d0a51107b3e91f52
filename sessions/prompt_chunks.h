// Policies under which a prompt's routing depends on how the prompt is cut into chunks, a chunk a step: their numbers
// are those of one chunk size, which is said beside them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/config.h"

namespace mixoscope {

/// Whether some part of the policy looks at all rows of a step (capacity, expert-choice). A part that cannot be read,
/// such as one whose calibration is gone, does not: none that takes one looks at a step.
bool dependsOnChunks(const std::string& policy, const ModelConfig& config);
/// "routing depends on prompt pieces of 128 tokens"
std::string chunkNote(std::int32_t tokens);

}  // namespace mixoscope
