// What views and exports read of a comparison, of the forks of a conversation and of an attribution: data only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/chat_template.h"
#include "engine/error.h"
#include "engine/lane_settings.h"
#include "probes/forced_measures.h"
#include "probes/lane_measures.h"
#include "probes/lane_pair.h"
#include "probes/snapshot.h"
#include "sessions/lane_origin.h"

namespace mixoscope {

constexpr std::size_t kFewestComparedLanes = 2;
constexpr std::size_t kMostComparedLanes = 8;

/// One lane of a comparison, as it runs free and as it was fed the baseline's tokens.
struct ComparedLane {
    LaneOrigin origin;                // origin.lane is −1 before the first run
    LaneSettings settings;            // as asked for last; those in force are in free.settings
    std::optional<ErrorParts> error;  // why the last settings asked for were refused; the lane keeps those before
    /// What to know of its settings: those that have no effect ("budget: not in no_think mode"), and chunkNote().
    std::vector<std::string> notes;
    /// Tokens of the prompt that were not computed for this lane but shared with another (one copy in memory): those
    /// with the same ids under the same policy.
    std::int32_t shared_prompt_tokens = 0;
    bool started_with_run = false;  // and not later, while others ran
    LaneId forced_lane = -1;        // its lane in the last teacher-forced pass
    LaneId alone_lane = -1;

    // --- free running: an illustration, not a measurement of quality ------------------------------------------------
    LaneSnapshot free;  // no turn before the first run
    /// First generated token (0: the first after the prompt) that differs from the baseline's; −1: none so far.
    std::int32_t first_divergence = -1;
    /// Tokens of a chunk of the prompt, where the policy that routed it depends on that; 0: it does not. The same when
    /// the lane is forced.
    std::int32_t prefill_chunk = 0;
    RoutingCounts free_prompt;     // rows of the prompt
    RoutingCounts free_generated;  // rows after it
    LaneBalance free_balance;
    double free_load_moved = 0.0;  // against the baseline, 0 to 1; NaN for the baseline and without rows
    double ttft_ms = -1.0;         // from the start of the run; the step is shared with the other lanes. < 0: not yet
    double tpot_ms = -1.0;
    double latency_ms = -1.0;  // from the start of the run to the last token

    // --- teacher-forced on the baseline's tokens: the measurement ----------------------------------------------------
    LaneSnapshot forced;                                                    // no turn before the first pass
    std::shared_ptr<const std::vector<ForcedTokenMeasures>> forced_tokens;  // null until a pass has ended
    ForcedMeasures quality;                                                 // interval once the pass is complete
    RowOverlap forced_overlap;               // mean over layers and rows, from the prompt's last row on
    std::vector<RowOverlap> layer_overlaps;  // (MoE layers) mean over rows; one cell: compareRows()
    RoutingCounts forced_prompt;
    RoutingCounts forced_generated;
    LaneBalance forced_balance;
    double forced_load_moved = 0.0;

    // --- alone: no other lane in its steps ---------------------------------------------------------------------------
    double alone_ttft_ms = -1.0;  // < 0: not measured
    double alone_tpot_ms = -1.0;
    double aloneTokensPerSecond() const { return alone_tpot_ms > 0.0 ? 1000.0 / alone_tpot_ms : -1.0; }
};

enum class ComparisonState : std::uint8_t {
    kReady,    // nothing under way
    kRunning,  // the lanes run free
    kForcing,  // the teacher-forced pass
    kMeasuringAlone
};

struct ComparisonSnapshot {
    ComparisonState state = ComparisonState::kReady;
    std::vector<Message> messages;    // of the run; empty before the first, and for a prompt of ids
    std::vector<ComparedLane> lanes;  // the first one is the baseline
    std::optional<ErrorParts> error;  // why the last run or pass was refused or failed
    std::int64_t done = 0;            // of the pass under way: tokens fed; free runs have no total
    std::int64_t total = 0;           // 0: unknown
    bool forced_complete = false;     // the last teacher-forced pass reached its end
    double step_ms = -1.0;            // mean decode step of the run, all lanes in it; < 0: none yet
    double tokens_per_s = -1.0;       // of all lanes together
    std::int32_t prompt_tokens = 0;   // of the baseline's prompt
    std::int32_t prompt_copies = 0;   // copies of prompts held: lanes − those that share another's
    std::uint64_t bootstrap_seed = 0;

    /// Of a lane that runs free or was fed the baseline's tokens; empty for others.
    History historyOf(LaneId lane) const {
        for (const ComparedLane& compared : lanes) {
            if (compared.origin.lane == lane) return compared.free.history;
            if (compared.forced_lane == lane) return compared.forced.history;
        }
        return {};
    }
};

/// A fork: another lane that goes on from a token of a lane, with something changed.
struct ForkRequest {
    LaneId lane = 0;               // LaneSnapshot::lane of the conversation, of a fork, or of a compared lane
    std::int32_t position = 0;     // first token that is the fork's own. It is chosen anew by the row before it, which
                                   // runs under the new settings already. From the turn's first generated token to one
                                   // past its last
    LaneSettings settings;         // from there on
    std::optional<TokenId> token;  // in place of what would be chosen at `position`
};

/// What each expert chosen by the row that predicted a token did for that token's log-probability. The expert is taken
/// out of the choice for this row and layer only, as ban:experts=E,layers=L does: the policy then chooses as if the
/// router had no such expert.
struct AttributionSnapshot {
    LaneId lane = 0;
    std::int32_t position = 0;  // of the token
    TokenId token = -1;
    std::int32_t layers = 0;  // MoE layers
    std::int32_t slots = 0;
    double logprob = 0.0;               // of the token with all experts
    std::vector<std::int16_t> experts;  // (layers, slots) that ran, in order of rank; −1: none
    std::vector<double> changes;  // (layers, slots) log-probability without the expert − with it; NaN: not computed
    std::int32_t done = 0;        // of total
    std::int32_t total = 0;
    bool running = false;
    std::optional<ErrorParts> error;

    bool complete() const { return !running && done == total && !error; }
};

}  // namespace mixoscope
