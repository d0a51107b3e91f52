#include "sessions/turn_plan.h"

#include <algorithm>
#include <utility>

namespace mixoscope {

TurnPlan planTurn(const LoadedModel& loaded, std::vector<Message> messages, const LaneSettings& settings) {
    TurnPlan plan{.messages = std::move(messages), .settings = settings};
    plan.settings.mode = loaded.possibleMode(settings.mode);
    const bool resolved = resolveThinking(plan.settings.mode, plan.messages);
    const ThinkingSupport support = loaded.model.thinking_support;
    // A budget of 0 is not thinking, token for token; a model that always thinks gets its block closed at once instead.
    plan.thinking = support == ThinkingSupport::kAlways || (resolved && settings.budget != 0);
    const ThinkingMode resolved_mode = resolved ? ThinkingMode::kThink : ThinkingMode::kNoThink;
    if (plan.settings.mode == ThinkingMode::kAuto) {
        SamplingSettings defaults = loaded.sampling(ThinkingMode::kAuto);
        defaults.seed = settings.sampling.seed;
        if (settings.sampling == defaults) {
            plan.settings.sampling = loaded.sampling(resolved_mode);
            plan.settings.sampling.seed = settings.sampling.seed;
        }
    }
    return plan;
}

std::vector<TokenId> promptOf(const LoadedModel& loaded, const TurnPlan& plan) {
    const Model& model = loaded.model;
    if (!model.tokenizer)
        throw Error({.what = "This model has no tokenizer, so it cannot chat",
                     .where = model.name,
                     .expected = "a model directory with tokenizer.json"});
    return model.tokenizer->encode(renderChat(plan.messages, plan.thinking, model.thinking_support));
}

std::string answerOf(const Model& model, std::span<const TokenId> tokens, std::size_t prompt_tokens) {
    if (!model.tokenizer) return {};
    tokens = tokens.subspan(std::min(prompt_tokens, tokens.size()));
    const std::vector<TokenId>& ends = model.generation_config.eos_token_ids;
    if (!tokens.empty() && std::ranges::find(ends, tokens.back()) != ends.end())
        tokens = tokens.first(tokens.size() - 1);
    StreamingDecoder decoder;
    std::string answer = decoder.push(model.tokenizer->decode(tokens));
    return answer + decoder.finish();
}

}  // namespace mixoscope
