// How a lane of a generation came to be: what it is there for, and for a fork from where it goes on with what changed.
#pragma once

#include <cstdint>
#include <string>

#include "engine/ids.h"
#include "engine/lane_settings.h"

namespace mixoscope {

/// What a lane of a generation is there for.
enum class LaneRole : std::uint8_t {
    kChat,      // the conversation
    kCompared,  // runs free in a comparison
    kForced,    // fed the baseline's tokens
    kAlone,     // the same turn once more with no lane beside it, for its speed
    kFork,      // goes on from a token of another lane
};

/// How a lane came to be; the lanes of a session with their parents are the tree of forks.
struct LaneOrigin {
    LaneId lane = 0;
    LaneRole role = LaneRole::kChat;
    /// Compared, forced and alone: number of the compared lane (0 to 7), which it keeps for as long as it is there and
    /// from which its letter, colour and marker follow. Forks: −1 in a conversation.
    std::int32_t tag = -1;
    LaneId parent = -1;          // fork: of which lane; forced and alone: the compared lane that it belongs to
    std::int32_t position = -1;  // fork: the first token that is its own; rows from position − 1 on were computed anew
    std::string change = {};     // fork: what was changed there, in words; empty: nothing
    LaneSettings settings = {};  // with which it began
};

}  // namespace mixoscope
