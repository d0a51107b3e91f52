#include "sessions/forced_pass.h"

#include <span>

#include "engine/error.h"
#include "engine/next_token_divergence.h"
#include "engine/sampler.h"

namespace mixoscope {

ForcedPass::ForcedPass(Generation& generation, LaneId source)
    : m_generation(generation), m_continuation{.ends_turn = true} {
    const LaneStatus status = source >= 0 ? generation.status(source) : LaneStatus{};
    if (status.tokens <= status.prompt_tokens)
        throw Error(
            {.what = "There are no tokens of the baseline to feed to the lanes", .advice = "Run the lanes first"});
    m_prompt = generation.tokens(source);
    m_prompt.resize(static_cast<std::size_t>(status.prompt_tokens));
    for (std::int32_t position = status.prompt_tokens; position < status.tokens; ++position) {
        const TokenTrace token = generation.token(source, position);
        m_continuation.tokens.push_back({.id = token.id, .injected = (token.flags & token_flag::kInjected) != 0});
    }
    m_reached = status.prompt_tokens;
}

void ForcedPass::start(LaneId lane, bool thinking) {
    m_lanes.push_back(lane);
    m_judged[lane];
    m_generation.startTurn(lane, m_prompt, thinking);
    m_generation.forceContinuation(lane, m_continuation);
}

bool ForcedPass::judge() {
    std::erase_if(m_lanes, [&](LaneId lane) { return !m_generation.hasLane(lane); });
    if (m_lanes.empty()) return false;
    const LaneId base = m_lanes.front();
    const std::int32_t size = m_generation.status(base).tokens;
    if (size <= m_reached) return false;
    m_reached = size;
    const TokenTrace token = m_generation.token(base, size - 1);
    if ((token.flags & token_flag::kInjected) != 0) return true;
    const std::span<const float> base_logits = m_generation.lastLogits(base);
    const TokenId likeliest = likeliestToken(base_logits);
    for (const LaneId lane : m_lanes) {
        if (m_generation.status(lane).tokens != size) continue;  // it ended for a reason of its own
        const std::span<const float> logits = m_generation.lastLogits(lane);
        m_judged[lane].push_back({.position = token.position,
                                  .token = token.id,
                                  .logprob = logProbability(logits, token.id),
                                  .divergence = nextTokenDivergence(base_logits, logits),
                                  .same_top = likeliestToken(logits) == likeliest});
    }
    return true;
}

}  // namespace mixoscope
