// The thinking budget as a pure state machine: (state, token, N, B) → (state, tokens to inject). No clock and no I/O.
// Semantics: N counts the tokens strictly between <think> and </think>; budgets act at the next token.
#pragma once

#include "engine/ids.h"
#include "engine/lane_settings.h"
#include "engine/step_trace.h"

#include <optional>
#include <span>
#include <vector>

namespace mixoscope {

/// Ids that the controller looks for; a model without thinking has none.
struct ThinkingTokens {
    std::optional<TokenId> open;            // <think>
    std::optional<TokenId> close;           // </think>
    std::vector<TokenId> early_stop;        // the whole injected text, tokenised once, its tag as the special token
};

class ThinkingController {
public:
    ThinkingController(ThinkingTokens tokens, bool thinking_allowed);

    /// What must follow now: tokens to feed instead of sampling (empty: sample). Called before each token is chosen.
    ///   close_rank  rank of </think> among the logits of this step (0: likeliest), −1 unknown; for the soft close
    ///   at_character_boundary  the text so far ends with a whole UTF-8 character: a cut waits for that
    std::span<const TokenId> injection(std::int32_t budget, const EarlyStop& early_stop, int close_rank,
                                       bool at_character_boundary);
    /// "Answer now": closes an open block at the next token. Ignored outside a block.
    void answerNow();
    /// Classifies a token that joined the sequence and moves on. Returns its phase and flags (without kSampled).
    struct Classified {
        Phase phase;
        std::uint8_t flags;
    };
    Classified accept(TokenId token, bool injected);

    std::int32_t thinkingTokens() const { return m_thinking_tokens; }
    bool blockOpen() const { return m_state == State::kInside || m_state == State::kForcing; }

private:
    enum class State : std::uint8_t { kBeforeBlock, kInside, kForcing, kAnswer };
    ThinkingTokens m_tokens;
    bool m_thinking_allowed;
    bool m_answer_now = false;
    State m_state = State::kBeforeBlock;
    std::int32_t m_thinking_tokens = 0;
};

}  // namespace mixoscope
