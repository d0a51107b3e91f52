#include "views/phase_runs.h"

namespace mixoscope {

bool wasRewritten(const History& history, std::int32_t tokens, TokenId last_id, Step last_step) {
    if (tokens == 0) return false;
    if (history.tokenCount() < tokens) return true;
    const TokenRecord& last = history.token(tokens - 1);
    return last.trace.id != last_id || last.step != last_step;
}

void PhaseRuns::update(const History& history) {
    if (wasRewritten(history, m_tokens, m_last_id, m_last_step)) {
        m_runs.clear();
        m_tokens = 0;
    }
    for (; m_tokens < history.tokenCount(); ++m_tokens) {
        const TokenRecord& token = history.token(m_tokens);
        const bool injected = (token.trace.flags & token_flag::kInjected) != 0;
        if (m_runs.empty() || m_runs.back().phase != token.trace.phase || m_runs.back().injected != injected) {
            m_runs.push_back({.phase = token.trace.phase, .injected = injected, .first = m_tokens});
        }
        m_runs.back().end = m_tokens + 1;
        m_runs.back().thinking_tokens = token.trace.thinking_tokens;
        m_runs.back().budget = token.trace.budget;
        m_last_id = token.trace.id;
        m_last_step = token.step;
    }
}

}  // namespace mixoscope
