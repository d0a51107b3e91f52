// From messages and settings to the turn that a lane runs: mode, sampling and prompt as the checkpoint wants them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/chat_template.h"
#include "engine/lane_settings.h"
#include "sessions/loaded_model.h"

namespace mixoscope {

/// What a turn will be: whether the prompt leaves the model free to think, and its settings.
struct TurnPlan {
    std::vector<Message> messages;
    LaneSettings settings;
    bool thinking = true;
};

/// The mode becomes one that the checkpoint has; sampling follows the mode that `auto` resolves to, unless somebody
/// chose another.
TurnPlan planTurn(const LoadedModel& loaded, std::vector<Message> messages, const LaneSettings& settings);

/// The plan's messages through the chat template. Throws Error for a model without a tokenizer.
std::vector<TokenId> promptOf(const LoadedModel& loaded, const TurnPlan& plan);

/// What a turn with these tokens said after its prompt, tags included, the end of the turn not. "" without a tokenizer.
std::string answerOf(const Model& model, std::span<const TokenId> tokens, std::size_t prompt_tokens);

}  // namespace mixoscope
