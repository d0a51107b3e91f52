// Where a sequence's phases begin and end, kept up to date token by token.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/routing_history.h"

namespace mixoscope {

/// Consecutive tokens of one phase, all injected or none.
struct PhaseRun {
    Phase phase = Phase::kPrompt;
    bool injected = false;
    std::int32_t first = 0;
    std::int32_t end = 0;              // behind the last
    std::int32_t thinking_tokens = 0;  // N at its end
    std::int32_t budget = 0;           // B at its end

    bool operator==(const PhaseRun&) const = default;
};

class PhaseRuns {
public:
    /// Reads the tokens that are new since the last call; all of them if the history was rewritten.
    void update(const History& history);
    const std::vector<PhaseRun>& runs() const { return m_runs; }

private:
    std::vector<PhaseRun> m_runs;
    std::int32_t m_tokens = 0;
    Step m_last_step = -1;
    TokenId m_last_id = -1;
};

/// True if positions [0, tokens) of the history may be other tokens than when its token `tokens − 1` was (id, step).
bool wasRewritten(const History& history, std::int32_t tokens, TokenId last_id, Step last_step);

}  // namespace mixoscope
