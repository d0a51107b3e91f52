// What a forward pass is given: the rows of one step.
#pragma once

#include <cstdint>
#include <limits>

#include "engine/ids.h"
#include "engine/step_trace.h"
#include "kernels/types.h"

namespace mixoscope {

class LaneRouting;

/// One token of one sequence in a step. Rows of one sequence are given in ascending position; each position before a
/// row's is in the cache already or an earlier row of the same step.
struct ForwardRow {
    TokenId token = 0;                   // within the vocabulary
    kernels::SequencePosition sequence;  // `position` lies inside the sequence's writable part
    LaneRouting* routing = nullptr;      // of its lane; never null for a model with experts
    bool wants_logits = false;
    // What policies may go by:
    Phase phase = Phase::kPrompt;
    std::uint8_t token_flags = 0;                             // token_flag
    float logprob = std::numeric_limits<float>::quiet_NaN();  // as in TokenTrace
};

}  // namespace mixoscope
