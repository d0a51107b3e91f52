// What views and exports read: an immutable picture of everything measured so far, published at most once a frame.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/lane_settings.h"
#include "engine/step_trace.h"
#include "probes/checks.h"
#include "probes/load.h"
#include "probes/routing_history.h"

namespace mixoscope {

/// One turn of a lane: what was asked, how long it thought, how fast it was.
struct TurnFacts {
    std::int32_t first_position = 0;  // of the turn's prompt rows that were newly added
    std::int32_t prompt_tokens = 0;
    std::int32_t thinking_tokens = 0;  // N
    std::int32_t answer_tokens = 0;
    std::int32_t injected_tokens = 0;
    LaneSettings settings;                          // in force; of an earlier turn: when it ended
    std::int32_t budget_at_end = kUnlimitedBudget;  // B as the block closed; before that and without a block: in force
    bool block_opened = false;
    bool block_closed = false;
    bool closed_by_budget = false;
    bool closed_by_hand = false;
    std::int32_t stray_tags = 0;  // leaks
    StopReason stop_reason = StopReason::kNone;
    std::int64_t started_us = 0;
    std::int64_t first_token_us = -1;
    std::int64_t last_token_us = -1;
    double thinking_ms = 0.0;
    double ttft_ms = 0.0;
    double tpot_ms = 0.0;
    double tokens_per_s = 0.0;                   // 1000 / tpot
    std::int32_t first_generated_position = -1;  // of the first token after the prompt, −1: none yet
    std::string thinking_text;                   // inside the block, without its tags; never ends inside a character
    std::string answer_text;                     // of the answer, without the end-of-turn token
    /// The lane as this turn left it, kept because the next turn's prompt drops the thinking. Empty for the last turn.
    History history;
};

struct LaneSnapshot {
    LaneId lane = 0;
    LaneState state = LaneState::kIdle;
    LaneSettings settings;  // in force
    History history;
    std::shared_ptr<const LoadCounter> load;
    std::vector<TurnFacts> turns;   // the last one is the current
    std::vector<LaneEvent> events;  // settings changes, in order
    std::vector<CheckResult> checks;

    /// Where the tokens and routing of `turns[index]` are, at its own positions.
    const History& historyOfTurn(std::size_t index) const {
        return index + 1 == turns.size() ? history : turns[index].history;
    }
};

/// The lane of this number; null: there is none.
inline const LaneSnapshot* findLane(const std::vector<LaneSnapshot>& lanes, LaneId id) {
    const auto found = std::ranges::find(lanes, id, &LaneSnapshot::lane);
    return found == lanes.end() ? nullptr : &*found;
}

}  // namespace mixoscope
