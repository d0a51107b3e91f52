// The thinking budget as a pure state machine: (state, token, N, B) → (state, tokens to inject). No clock and no I/O.
// Semantics: N counts the tokens strictly between <think> and </think>, over all blocks of the turn; budgets act at the
// next token.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/ids.h"
#include "engine/lane_settings.h"
#include "engine/step_trace.h"

namespace mixoscope {

/// Ids that the controller looks for; a model without thinking has none.
struct ThinkingTokens {
    std::optional<TokenId> open;      // <think>
    std::optional<TokenId> close;     // </think>
    std::vector<TokenId> early_stop;  // the whole injected text, tokenised once, its tag as the special token
};

class ThinkingController {
public:
    /// `thinking_allowed` false: no_think mode; the prompt holds the empty block, the budget is ignored.
    ThinkingController(ThinkingTokens tokens, bool thinking_allowed);

    /// What must follow now: tokens to feed instead of sampling (empty: sample). Called before each token is chosen;
    /// each token given must then be accepted as injected, in order.
    ///   close_rank  rank of </think> among the logits of this step (0: likeliest), −1 unknown; for the soft close
    ///   at_character_boundary  the text so far ends with a whole UTF-8 character: a cut waits for that
    /// A soft close gives the early-stop text from its </think> on (the model was about to close by itself, so nothing
    /// is put into its mouth); a forced one gives all of it. The span is valid until the early-stop text is changed.
    std::span<const TokenId> injection(std::int32_t budget, const EarlyStop& early_stop, int close_rank,
                                       bool at_character_boundary);
    /// "Answer now": closes an open block at the next token. Ignored outside a block. Returns whether it was in one.
    bool answerNow();
    /// Classifies a token that joined the sequence and moves on. Returns its phase and flags (without kSampled).
    struct Classified {
        Phase phase;
        std::uint8_t flags;
    };
    Classified accept(TokenId token, bool injected);

    /// Another early-stop text, from the next cut on. Swaps, so that freeing the old one is up to the caller.
    void swapEarlyStop(std::vector<TokenId>& early_stop) { m_tokens.early_stop.swap(early_stop); }

    std::int32_t thinkingTokens() const { return m_thinking_tokens; }
    bool blockOpen() const { return m_state == State::kInside || m_state == State::kForcing; }
    /// Phase of a token that ends the turn here.
    Phase phase() const { return blockOpen() ? Phase::kThinking : Phase::kAnswer; }
    /// Whether the last injection was asked for by answerNow().
    bool closedByHand() const { return m_closed_by_hand; }
    bool needsCloseRank(std::int32_t budget, const EarlyStop& early_stop) const;

private:
    enum class State : std::uint8_t { kBeforeBlock, kInside, kForcing, kAnswer };
    Classified acceptInjected(TokenId token);
    bool budgetReached(std::int32_t budget) const;

    ThinkingTokens m_tokens;
    bool m_thinking_allowed;
    bool m_answer_now = false;
    bool m_closed_by_hand = false;
    State m_state = State::kBeforeBlock;
    std::int32_t m_thinking_tokens = 0;
};

}  // namespace mixoscope
