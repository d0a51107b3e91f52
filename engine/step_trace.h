// What the engine tells about one row (one token of one lane) of one forward step. It is all that probes, recorder and
// views ever learn about routing, live or replayed.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "engine/ids.h"

namespace mixoscope {

/// A token's place in its lane. Tags count to the block they belong to: <think>, </think> and injected text are
/// kThinking.
enum class Phase : std::uint8_t { kPrompt, kThinking, kAnswer };
constexpr int kPhaseCount = 3;

namespace token_flag {
constexpr std::uint8_t kSampled = 1;    // drawn by the sampler
constexpr std::uint8_t kInjected = 2;   // early-stop text fed by the thinking controller
constexpr std::uint8_t kTag = 4;        // <think> or </think>
constexpr std::uint8_t kEndOfTurn = 8;  // a token that ends the turn; it is never fed
constexpr std::uint8_t kStray = 16;     // a thinking tag where none belongs (leak); counted by the probes
constexpr std::uint8_t kTemplate = 32;  // written by the chat template, not by user or model
constexpr std::uint8_t kForced = 64;    // given in place of what the sampler would draw, and judged by the logits
}  // namespace token_flag

/// A token of a lane, at its position in the lane's sequence.
struct TokenTrace {
    std::int32_t position = 0;
    TokenId id = -1;
    Phase phase = Phase::kPrompt;
    std::uint8_t flags = 0;                                   // token_flag
    std::int32_t turn = 0;                                    // turns since the lane began, from 0
    std::int32_t thinking_tokens = 0;                         // N once this token is counted
    std::int32_t budget = 0;                                  // B in force when it was chosen
    float logprob = std::numeric_limits<float>::quiet_NaN();  // of this token under the model; NaN for prompt tokens
    std::int32_t rank = -1;                                   // 0: the likeliest; −1: not from logits
};

/// Shape of every trace of one generation; constant while it lives.
struct TraceShape {
    std::int32_t moe_layers = 0;
    std::int32_t slots = 0;      // largest number of experts a row can get in a layer
    std::int32_t experts = 0;    // largest number of experts of a layer
    bool distributions = false;  // full router distributions are recorded

    bool operator==(const TraceShape&) const = default;
};

namespace layer_flag {
constexpr std::uint8_t kTie = 1;      // last chosen and first not chosen have equal probability: the lower id won
constexpr std::uint8_t kDropped = 2;  // at least one selection was dropped (capacity)
constexpr std::uint8_t kForced = 4;   // at least one selection was forced by an edit
constexpr std::uint8_t kOwnSum = 8;   // the policy does not make the weights of its selections sum to 1
constexpr std::uint8_t kNone = 16;    // the policy gave this token no expert here: only the residual passes on
constexpr std::uint8_t kVirtual =
    32;  // selections that did not run are virtual experts (any-experts), not dropped ones
}  // namespace layer_flag

/// How a selection that did not run is written among expert ids, after those that ran: −2 − expert. −1: unused.
template <typename Id>
constexpr Id notRunId(Id expert) {
    return static_cast<Id>(-2 - expert);
}
template <typename Id>
constexpr bool isNotRun(Id id) {
    return id <= -2;
}

/// Router facts of one row in one MoE layer; NaN: not recorded (engine/unrecorded.h).
struct RouterFacts {
    float entropy = 0.0F;           // of the router distribution, normalised to [0, 1]
    float top_probability = 0.0F;   // of the likeliest expert
    float last_probability = 0.0F;  // of the least likely chosen expert
    float next_probability = 0.0F;  // of the likeliest expert not chosen
    std::int16_t next_expert = -1;  // likeliest expert not chosen
    std::uint16_t active = 0;       // experts that really ran
    std::uint8_t flags = 0;         // layer_flag

    float margin() const { return last_probability - next_probability; }
};

/// One row of one step. The spans point into storage owned by whoever holds the trace (engine, ring slot, session page)
/// and are valid only as long as that says.
struct StepTrace {
    std::int64_t serial = 0;  // traces given to the sink before this one: gapless, so losses show
    Step step = 0;
    LaneId lane = 0;
    std::int32_t rows_in_step = 0;
    std::int64_t step_end_us = 0;  // since the generation began
    std::int32_t step_us = 0;      // duration of the forward step
    TokenTrace token;              // the token fed
    /// The token that follows it if it was sampled or injected, else id −1. Over a turn every such token is `next`
    /// once, in order, also the last one, which is never fed.
    TokenTrace next;

    std::span<const std::int16_t> expert_ids;  // (moe_layers, slots): those that ran, the likeliest
                                               // first, then selections that did not run (notRunId), −1 unused
    std::span<const float> expert_weights;     // (moe_layers, slots), 0 where nothing ran; empty: not recorded
    std::span<const RouterFacts> router;       // (moe_layers)
    std::span<const float> distributions;      // (moe_layers, experts) or empty
};

/// What happened to a lane besides tokens. `step` in LaneEvent is the step at which it took effect.
enum class LaneEventKind : std::uint8_t {
    kTurnStarted,      // value: prompt tokens of this turn; old_value: those of them that were computed before
    kBudgetChanged,    // old_value → value
    kModeChanged,      // old_value → value (ThinkingMode), for the next turn
    kPolicyChanged,    // text: the new policy
    kSamplingChanged,  // text: the new settings (engine/settings_json.h)
    kAnswerNow,        // value: N when the block was closed by hand
    kBudgetReached,    // value: N when the block was closed by the budget
    kStopped,          // stopped by the user
    kFinished,         // value: StopReason; old_value 1: a think block was left open
    // Session files keep these as numbers: new kinds go to the end.
    kEarlyStopChanged,  // text: the new settings (engine/settings_json.h)
    kMaxTokensChanged,  // old_value → value
    kIgnoreEosChanged,  // old_value → value, 0 or 1
    kForked,  // value: the lane that it goes on from; old_value: rows shared with it; position: first own token
};
constexpr LaneEventKind kLastLaneEventKind = LaneEventKind::kForked;

/// What a lane is doing.
enum class LaneState : std::uint8_t { kIdle, kPrefill, kThinking, kAnswering, kFinished };

enum class StopReason : std::uint8_t {
    kNone,
    kEndOfTurn,
    kMaxTokens,
    kContextFull,
    kStopped,
    kError,
    kForcedEnd,  // the tokens that it was to be given are all there
};

struct LaneEvent {
    std::int64_t serial = 0;  // shares its numbering with StepTrace::serial
    Step step = 0;
    std::int64_t time_us = 0;
    LaneId lane = 0;
    std::int32_t position = 0;  // position at which it took effect
    LaneEventKind kind = LaneEventKind::kTurnStarted;
    std::int64_t old_value = 0;
    std::int64_t value = 0;
    char text[400] = {};  // zero-terminated UTF-8, cut at a character
};

/// Whoever wants traces gives the engine a sink. Called on the engine's thread; must not block, throw or keep the
/// spans.
class TraceSink {
public:
    virtual ~TraceSink() = default;
    virtual void onRow(const StepTrace& trace) = 0;
    virtual void onEvent(const LaneEvent& event) = 0;
    /// After the last row of a step.
    virtual void onStepEnd(Step step) = 0;
};

}  // namespace mixoscope
