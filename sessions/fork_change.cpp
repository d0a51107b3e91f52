#include "sessions/fork_change.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/settings_json.h"

namespace mixoscope {

namespace {

using nlohmann::json;

std::string shown(const std::string& key, const json& value) {
    if (key == "budget" && value == kUnlimitedBudget) return "unlimited";
    return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The text of the last event of this kind that acted at `position` of the turn under way; null: none.
const LaneEvent* lastChange(const LaneSnapshot& lane, LaneEventKind kind, std::int32_t position) {
    const auto turn = std::find_if(lane.events.rbegin(), lane.events.rend(),
                                   [](const LaneEvent& event) { return event.kind == LaneEventKind::kTurnStarted; });
    const auto of_turn = lane.events.end() - (turn - lane.events.rbegin());
    const LaneEvent* last = nullptr;
    for (auto event = lane.events.begin(); event != lane.events.end(); ++event) {
        if (event->kind == kind && (event < of_turn || event->position <= position)) last = &*event;
    }
    return last;
}

}  // namespace

LaneSettings settingsAt(const LaneSnapshot& lane, const LaneSettings& began_with, std::int32_t position) {
    LaneSettings settings = lane.settings;
    const auto changes = [&](LaneEventKind kind) {
        return std::ranges::any_of(lane.events, [&](const LaneEvent& event) { return event.kind == kind; });
    };
    if (changes(LaneEventKind::kPolicyChanged)) {
        const LaneEvent* change = lastChange(lane, LaneEventKind::kPolicyChanged, position - 1);
        settings.policy = change == nullptr ? began_with.policy : change->text;
    }
    if (changes(LaneEventKind::kSamplingChanged)) {
        const LaneEvent* change = lastChange(lane, LaneEventKind::kSamplingChanged, position);
        settings.sampling = change == nullptr
                                ? began_with.sampling
                                : settingsFromJson(change->text, "event " + std::to_string(change->serial)).sampling;
    }
    if (position < lane.history.tokenCount()) settings.budget = lane.history.token(position).trace.budget;
    return settings;
}

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
    LaneSettings before = generation.settings(request.lane);  // as they are now; then they may have been others
    before.policy = generation.policyAt(request.lane, request.position - 1);
    if (request.position < parent.tokens) before.budget = generation.token(request.lane, request.position).budget;
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
