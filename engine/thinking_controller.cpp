#include "engine/thinking_controller.h"

#include <algorithm>
#include <utility>

namespace mixoscope {

ThinkingController::ThinkingController(ThinkingTokens tokens, bool thinking_allowed)
    : m_tokens(std::move(tokens)),
      m_thinking_allowed(thinking_allowed),
      m_state(thinking_allowed ? State::kBeforeBlock : State::kAnswer) {}

bool ThinkingController::budgetReached(std::int32_t budget) const {
    // In no_think mode there is no budget: thinking there is a leak to be seen, not one to be shortened.
    return m_thinking_allowed && m_thinking_tokens >= budget;  // no block reaches kUnlimitedBudget
}

bool ThinkingController::needsCloseRank(std::int32_t budget, const EarlyStop& early_stop) const {
    return m_state == State::kInside && early_stop.soft_rank > 0 && budgetReached(budget);
}

std::span<const TokenId> ThinkingController::injection(std::int32_t budget, const EarlyStop& early_stop, int close_rank,
                                                       bool at_character_boundary) {
    if (m_state != State::kInside || !at_character_boundary || m_tokens.early_stop.empty()) return {};
    std::span<const TokenId> text = m_tokens.early_stop;
    if (!m_answer_now) {
        if (!budgetReached(budget)) return {};
        if (early_stop.soft_rank > 0) {
            const std::int64_t forced_at = std::int64_t{budget} + early_stop.soft_extra;
            if (close_rank >= 0 && close_rank < early_stop.soft_rank) {
                const auto tag = std::ranges::find(text, *m_tokens.close);
                text = text.subspan(static_cast<std::size_t>(tag - text.begin()));
            } else if (m_thinking_tokens < forced_at) {
                return {};
            }
        }
    }
    m_closed_by_hand = std::exchange(m_answer_now, false);
    m_state = State::kForcing;
    return text;
}

bool ThinkingController::answerNow() {
    if (m_state == State::kInside) m_answer_now = true;
    return m_state == State::kInside;
}

ThinkingController::Classified ThinkingController::acceptInjected(TokenId token) {
    std::uint8_t flags = token_flag::kInjected;
    if (token == m_tokens.close) {
        flags |= token_flag::kTag;
        m_state = State::kAnswer;
    }
    return {.phase = Phase::kThinking, .flags = flags};
}

ThinkingController::Classified ThinkingController::accept(TokenId token, bool injected) {
    if (injected) return acceptInjected(token);
    if (token == m_tokens.open) {
        const bool belongs = m_state == State::kBeforeBlock;
        // Inside a block the tag is one more token strictly between the block's own tags.
        if (m_state == State::kInside) ++m_thinking_tokens;
        m_state = State::kInside;
        return {.phase = Phase::kThinking,
                .flags = static_cast<std::uint8_t>(token_flag::kTag | (belongs ? 0 : token_flag::kStray))};
    }
    if (token == m_tokens.close) {
        const bool belongs = m_state == State::kInside;
        m_state = State::kAnswer;
        m_answer_now = false;
        return {.phase = belongs ? Phase::kThinking : Phase::kAnswer,
                .flags = static_cast<std::uint8_t>(token_flag::kTag | (belongs ? 0 : token_flag::kStray))};
    }
    if (m_state == State::kInside) {
        ++m_thinking_tokens;
        return {.phase = Phase::kThinking, .flags = 0};
    }
    m_state = State::kAnswer;
    return {.phase = Phase::kAnswer, .flags = 0};
}

}  // namespace mixoscope
