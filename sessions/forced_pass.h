// A teacher-forced pass: lanes that are fed one lane's tokens in lockstep, and how likely each of them found what came
// next. One thread drives it.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/generation.h"
#include "probes/forced_measures.h"

namespace mixoscope {

class ForcedPass {
public:
    /// Feeds what `source` has generated; `generation` outlives the pass. Throws Error when that is nothing.
    ForcedPass(Generation& generation, LaneId source);

    /// Tokens that are fed after the prompt.
    std::int64_t size() const { return std::ssize(m_continuation.tokens); }
    /// Feeds them to a lane without a turn as well. The first lane is the one that the others are judged against; when
    /// it is removed from the generation, the next one is.
    void start(LaneId lane, bool thinking);
    /// To be called after each step. True: it has brought the lanes a token further.
    bool judge();
    /// What the lanes made of the tokens so far, injected ones left out.
    const std::map<LaneId, std::vector<ForcedTokenMeasures>>& judged() const { return m_judged; }

private:
    Generation& m_generation;
    std::vector<TokenId> m_prompt;
    ForcedContinuation m_continuation;
    std::vector<LaneId> m_lanes;
    std::map<LaneId, std::vector<ForcedTokenMeasures>> m_judged;
    std::int32_t m_reached = 0;  // tokens that the baseline had at the last judgement
};

}  // namespace mixoscope
