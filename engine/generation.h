// The generation loop over lanes: batch, forward, sample, thinking control, trace. One thread drives it; the request
// functions may be called from any thread and act at the next token.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/ids.h"
#include "engine/lane_settings.h"
#include "engine/model.h"
#include "engine/processor.h"
#include "engine/step_trace.h"
#include "kernels/backend.h"

namespace mixoscope {

struct GenerationLimits {
    std::int32_t context_tokens = 0;  // per lane; 0: the model's max_position_embeddings
    std::int64_t kv_bytes = 0;        // of the whole page pool; 0: what the lanes need at most, bounded by free memory
    std::int32_t max_lanes = 8;
    std::int32_t lanes_per_step = 0;   // lanes that share a step, others wait; 0: max_lanes
    std::int32_t rows_per_step = 0;    // of all lanes, at least a chunk; 0: a chunk for each lane of a step
    std::int32_t prefill_chunk = 128;  // rows of one step that belong to one lane's prompt
    std::int32_t slots = 0;            // experts per row that traces can hold; 0: the model's num_experts_per_tok
    bool distributions = false;        // traces carry full router distributions
};

struct LaneStatus {
    LaneState state = LaneState::kIdle;
    StopReason stop_reason = StopReason::kNone;
    std::int32_t tokens = 0;           // in the sequence, fed or not
    std::int32_t prompt_tokens = 0;    // of this turn
    std::int32_t thinking_tokens = 0;  // N of this turn
    std::int32_t answer_tokens = 0;
    std::int32_t injected_tokens = 0;
    bool catching_up = false;  // rows of a recorded turn are being computed again
    double ttft_ms = 0.0;      // from startTurn to the first token after the prompt
    double tpot_ms = 0.0;      // mean over the sampled tokens after the first
};

/// Where the time of the steps went, summed since the generation began.
struct GenerationTimes {
    Step steps = 0;
    std::int64_t rows = 0;
    double step_ms = 0.0;  // batch, forward pass, choice of tokens
    double sink_ms = 0.0;  // giving traces to the sink, on top of step_ms
};

/// Tokens that a turn goes on with in place of those that would be drawn: each is judged by the lane's own logits, has
/// token_flag::kForced, and takes one step. Budget and sampling have no say until they are all there.
struct ForcedContinuation {
    struct Token {
        TokenId id = -1;
        bool injected = false;  // as early-stop text is: it has no log-probability and does not count to N
    };
    std::vector<Token> tokens = {};
    bool ends_turn = false;  // with the last of them; else the turn goes on by itself
};

/// A turn as far as it came in a recording, for a lane to go on from there.
struct RecordedTurn {
    struct PolicyFrom {
        std::int32_t first = 0;  // position
        std::string policy;
    };
    std::vector<TokenTrace> tokens = {};  // the lane's sequence: the whole prompt and what followed
    std::int32_t prompt_tokens = 0;
    bool thinking = true;                   // as startTurn() was told
    std::vector<Step> steps = {};           // (rows computed, from position 0 on) the step in which each was
    std::vector<PolicyFrom> policies = {};  // under which they were computed, ascending, the first from position 0
    StopReason ended = StopReason::kNone;   // the turn is over, for this reason
    LaneSettings settings = {};             // in force where its records end
    // Where its records end and those of the generation go on.
    std::int64_t next_serial = 0;
    Step next_step = 0;
    std::int64_t time_us = 0;
};

/// Whether a lane's rows and events are given to the sink.
enum class Traced : bool { kNo, kYes };

class Generation {
public:
    /// `model` and `processor` must outlive it. `sink` may be null: then nothing is traced. Throws Error when the
    /// caches do not fit into memory.
    Generation(const Model& model, Processor& processor, const GenerationLimits& limits, TraceSink* sink);
    /// On the host.
    Generation(const Model& model, kernels::Backend& backend, const GenerationLimits& limits, TraceSink* sink);
    ~Generation();
    Generation(const Generation&) = delete;
    Generation& operator=(const Generation&) = delete;

    TraceShape traceShape() const;
    std::int32_t contextTokens() const;
    /// Rows of one step that belong to one lane's prompt, at most.
    std::int32_t prefillChunk() const;

    // --- on the driving thread -------------------------------------------------------------------------------------
    /// A new empty lane. Throws Error for a policy text that is none, or when max_lanes are there.
    LaneId addLane(const LaneSettings& settings, Traced traced = Traced::kYes);
    void removeLane(LaneId lane);
    /// A new lane that shares the first `tokens` tokens (and their KV pages) of `lane`. If that reaches into the part
    /// of the lane's turn after the prompt, the new lane goes on with that turn from there (an injected text that is
    /// cut into is completed first); else, or when the turn is over there by its end or by a limit of the settings, it
    /// waits for startTurn.
    LaneId forkLane(LaneId lane, std::int32_t tokens, const LaneSettings& settings, Traced traced = Traced::kYes);

    /// Makes `prompt` the lane's sequence and starts a turn: the longest prefix that the lane has already computed
    /// under the policy in force is kept, the rest is prefilled. `thinking`: the prompt's tail leaves the model free to
    /// think. Prompts longer than the context leave no room: Error.
    void startTurn(LaneId lane, std::span<const TokenId> prompt, bool thinking);
    /// Makes the recorded turn that of a lane of which nothing was computed yet. Its rows are computed again, in the
    /// next steps, which the sink is not told of; then the turn goes on under the lane's settings, bit for bit as if it
    /// had never been interrupted, or is over. Where these settings differ from the recorded ones the sink is told.
    /// What is requested meanwhile acts once that is done, but for a stop. Throws Error when tokens or policies are
    /// none of this model, or the context has no room for them.
    void resumeTurn(LaneId lane, const RecordedTurn& turn);
    /// Sets what follows next in the turn under way, in place of an earlier continuation. Throws Error for an id that
    /// the model does not know.
    void forceContinuation(LaneId lane, ForcedContinuation continuation);

    /// One forward step over all lanes with something to do. False: nothing was to be done.
    bool step();
    /// step() until nothing is left to do or stop is requested.
    void run(std::stop_token stop);

    LaneStatus status(LaneId lane) const;
    bool hasLane(LaneId lane) const;
    /// All lanes, in the order in which they were made.
    std::vector<LaneId> lanes() const;
    /// Settings in force; the policy in its normal form.
    LaneSettings settings(LaneId lane) const;
    std::vector<TokenId> tokens(LaneId lane) const;
    /// A token of the lane's sequence, fed or not.
    TokenTrace token(LaneId lane, std::int32_t position) const;
    /// Text of the policy under which the row at `position` was computed; empty if it was not.
    std::string policyAt(LaneId lane, std::int32_t position) const;
    /// Logits (vocab_size) of the last row that was computed for the lane; empty before the first.
    std::span<const float> lastLogits(LaneId lane) const;
    GenerationTimes times() const;

    // --- from any thread -------------------------------------------------------------------------------------------
    /// Throws Error for settings that a lane would refuse.
    void checkSettings(const LaneSettings& settings) const;
    /// New settings, from the next token on (mode: from the next turn on). Text that is no policy throws Error at once.
    void requestSettings(LaneId lane, const LaneSettings& settings);
    void requestAnswerNow(LaneId lane);
    void requestStop(LaneId lane);

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
