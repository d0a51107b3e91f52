// One sequence with everything that belongs to it: tokens, KV pages, settings, thinking state, counts and clocks of the
// turn. It knows no batch and no sink; the generation loop moves it on.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "engine/ids.h"
#include "engine/kv_cache.h"
#include "engine/lane_requests.h"
#include "engine/sampler.h"
#include "engine/thinking_controller.h"
#include "engine/utf8_boundary.h"

namespace mixoscope {

/// What all lanes of a generation share.
struct LaneContext {
    const Model& model;
    ThinkingTokens thinking_tokens;    // tags only
    std::vector<TokenId> end_of_turn;  // ids that end a turn
    std::size_t tokens = 0;            // that a lane can hold
};

class Lane {
public:
    using Clock = std::chrono::steady_clock;

    Lane(const LaneContext& context, LaneId id, KvSequence kv, PreparedSettings settings, Traced traced);

    LaneId id() const { return m_id; }
    Traced traced() const { return m_traced; }
    LaneRequests& requests() { return *m_requests; }
    std::shared_ptr<LaneRequests> sharedRequests() const { return m_requests; }
    const PreparedSettings& settings() const { return m_settings; }
    KvSequence& kv() { return m_kv; }

    bool active() const {
        return m_state == LaneState::kPrefill || m_state == LaneState::kThinking || m_state == LaneState::kAnswering;
    }
    std::size_t size() const { return m_sequence.size(); }
    std::size_t computed() const { return m_computed; }
    /// Rows that were computed, here or when they were recorded.
    std::size_t told() const { return catchingUp() ? m_recorded_rows : m_computed; }
    std::size_t promptLength() const { return m_prompt_length; }
    /// Tokens that wait to be fed. The last token of a turn that reached a limit needs no row of its own.
    std::size_t pending() const {
        if (catchingUp()) return m_recorded_rows - m_computed;
        const std::size_t unfed = m_sequence.size() - m_computed;
        return m_closing == StopReason::kNone || unfed == 0 ? unfed : unfed - 1;
    }
    /// Of the pending tokens, those that the next step takes: at most `most`.
    std::size_t rowsOfNextStep(std::size_t most) const;
    /// Rows of a recorded turn, of which everybody was told, are still to be computed again.
    bool catchingUp() const { return m_computed < m_recorded_rows; }
    const TokenTrace& token(std::size_t position) const { return m_sequence[position]; }
    std::span<const TokenId> ids() const { return m_ids; }
    std::span<const float> logits() const { return m_logits; }
    std::int32_t turn() const { return m_turn; }
    std::int32_t thinkingTokens() const { return m_controller.thinkingTokens(); }
    bool blockOpen() const { return m_controller.blockOpen(); }
    LaneStatus status() const;
    /// Text of the policy that computed the row at `position`; empty if it was not computed.
    std::string policyAt(std::size_t position) const;

    /// Keeps the longest prefix of the prompt that was computed under the policy in force; returns its length.
    std::size_t startTurn(std::span<const TokenId> prompt, bool thinking);
    /// Becomes the first `tokens` tokens of `source`. In the part of its turn after the prompt it goes on with that
    /// turn, within the prompt it waits for a turn of its own.
    void copyFrom(const Lane& source, std::size_t tokens);

    /// A policy under which rows of a recorded turn are computed again.
    struct RecordedPolicy {
        std::size_t first = 0;  // position from which on it is in force
        std::unique_ptr<LaneRouting> routing;
    };
    /// Becomes the recorded turn. `policies`: of its rows, the last is the one in force. `in_recorded_steps`: a row's
    /// bits depend on its step whatever the policy.
    void resume(const RecordedTurn& turn, std::vector<RecordedPolicy> policies, bool in_recorded_steps);
    /// Of a turn that was over when it was recorded.
    bool endWasRecorded() const { return m_end_was_recorded; }

    /// Swaps; a policy that stays the same keeps what it remembers.
    void replaceSettings(PreparedSettings& settings);
    bool answerNow() { return m_controller.answerNow(); }
    /// What follows next in the turn under way.
    void force(ForcedContinuation continuation);

    /// `rows` more tokens were fed under the policy in force.
    void fed(std::size_t rows);
    /// What follows the last token fed.
    enum class Choice : std::uint8_t {
        kSampled,
        kForced,
        kBudgetReached,
        kAnsweredByHand,
        kEndOfTurn,
        kNoDistribution
    };
    Choice choose(std::span<const float> logits, Sampler& sampler);
    /// A reason to finish that was found when the last token was chosen and has nothing left to feed.
    std::optional<StopReason> dueToFinish() const;
    void finish(StopReason reason);
    /// The turn ends with this step, once its rows were given to the sink.
    void close(StopReason reason) { m_closing = reason; }
    bool closing() const { return m_closing != StopReason::kNone; }
    StopReason closingReason() const { return m_closing; }
    /// The time at which the tokens of the last choose() were there.
    void tokenChosenAt(Clock::time_point now);

private:
    struct PolicySegment {
        std::size_t first = 0;  // position from which on rows were computed under `policy`
        std::string policy;     // normal form of its text
    };
    Choice chooseForced(std::span<const float> logits);
    void append(TokenId id, ThinkingController::Classified classified, float logprob, std::int32_t rank);
    void beginTurn(std::size_t prompt_length, bool thinking);
    void enterTurn(const TokenTrace& token);
    bool atLimit();
    void completeInjection();
    void planRecordedSteps(const std::vector<Step>& steps, bool in_recorded_steps);
    void enterRecordedPolicy();
    std::size_t reusable(std::span<const TokenId> prompt) const;
    std::size_t firstToFeed(const Lane& source, std::size_t shared) const;
    void truncate(std::size_t length);
    std::int32_t closeRank(std::span<const float> logits) const;
    bool endsTurn(TokenId id) const;

    const LaneContext& m_context;
    LaneId m_id;
    Traced m_traced;
    std::shared_ptr<LaneRequests> m_requests;
    PreparedSettings m_settings;
    KvSequence m_kv;
    std::vector<TokenTrace> m_sequence;  // capacity: the context
    std::vector<TokenId> m_ids;          // the same tokens, ids only
    std::vector<float> m_logits;         // (vocab_size) of the last row computed
    std::vector<PolicySegment> m_segments;
    std::vector<std::size_t>
        m_step_starts;             // of each token fed: where its step began. Beyond m_computed: of the source
    bool m_routing_is_new = true;  // the policy in force has not fed a row of this lane
    std::size_t m_computed = 0;
    std::size_t m_recorded_rows = 0;  // rows before are not given to the sink
    std::vector<RecordedPolicy> m_recorded_policies;
    std::size_t m_recorded_policies_used = 0;
    bool m_end_was_recorded = false;
    ThinkingController m_controller;
    Utf8Boundary m_text_end;
    ForcedContinuation m_forced;
    std::size_t m_forced_used = 0;  // of its tokens

    LaneState m_state = LaneState::kIdle;
    StopReason m_stop_reason = StopReason::kNone;
    StopReason m_closing = StopReason::kNone;
    bool m_thinking = false;
    std::int32_t m_turn = -1;
    std::size_t m_prompt_length = 0;
    std::int32_t m_answer_tokens = 0;
    std::int32_t m_injected_tokens = 0;
    std::int32_t m_sampled_tokens = 0;
    bool m_sampled_now = false;  // the last choose() drew a token
    Clock::time_point m_turn_start;
    Clock::time_point m_first_sampled;
    Clock::time_point m_last_sampled;
    double m_ttft_ms = 0.0;
};

}  // namespace mixoscope
