#include "sessions/fork_change.h"

#include <nlohmann/json.hpp>

#include "engine/settings_json.h"

namespace mixoscope {

namespace {

using nlohmann::json;

std::string shown(const std::string& key, const json& value) {
    if (key == "budget" && value == kUnlimitedBudget) return "unlimited";
    return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

std::string describeChange(const LaneSettings& before, const LaneSettings& now,
                           const std::optional<std::string>& token_text) {
    const json old_settings = json::parse(settingsToJson(before));
    const json new_settings = json::parse(settingsToJson(now));
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    for (const auto& [key, value] : new_settings.items()) {
        const json& old = old_settings[key];
        if (old == value || key == "mode") continue;  // the mode is a matter of the prompt, which stays
        add(key + " " + shown(key, old) + " → " + shown(key, value));
    }
    if (token_text) add("token \"" + *token_text + "\"");
    return text;
}

LaneOrigin forkAt(Generation& generation, const ForkRequest& request, const LoadedModel& loaded, std::int32_t tag) {
    if (!generation.hasLane(request.lane)) {
        throw Error({.what = "This lane is not there any more, so it cannot be forked",
                     .where = "lane " + std::to_string(request.lane)});
    }
    const LaneStatus parent = generation.status(request.lane);
    const bool generated = parent.prompt_tokens > 0 && request.position >= parent.prompt_tokens;
    if (!generated || request.position > parent.tokens) {
        throw Error(
            {.what = "A lane can be forked only where its last turn generated tokens",
             .expected = "position " + std::to_string(parent.prompt_tokens) + " to " + std::to_string(parent.tokens),
             .found = std::to_string(request.position)});
    }
    const LaneSettings before = generation.settings(request.lane);
    const LaneId lane = generation.forkLane(request.lane, request.position, request.settings);
    LaneOrigin origin{.lane = lane, .role = LaneRole::kFork, .tag = tag, .parent = request.lane};
    origin.position = generation.status(lane).tokens;
    origin.settings = generation.settings(lane);
    const LaneState state = generation.status(lane).state;
    if (state != LaneState::kThinking && state != LaneState::kAnswering) {
        generation.removeLane(lane);
        throw Error({.what = "Nothing is left to generate there: the turn ends before this token",
                     .where = "position " + std::to_string(request.position),
                     .advice = "Fork at an earlier token, or allow more tokens"});
    }
    std::optional<std::string> token_text;
    if (request.token) {
        try {
            generation.forceContinuation(lane, {.tokens = {{.id = *request.token}}, .ends_turn = false});
        } catch (const Error&) {
            generation.removeLane(lane);
            throw;
        }
        token_text = loaded.canChat() ? loaded.tokenBytes(*request.token) : std::to_string(*request.token);
    }
    origin.change = describeChange(before, origin.settings, token_text);
    return origin;
}

}  // namespace mixoscope
