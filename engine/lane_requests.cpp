#include "engine/lane_requests.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/sampler.h"
#include "engine/settings_json.h"
#include "engine/step_trace.h"

namespace mixoscope {

namespace {

void checkNotNegative(const char* field, std::int64_t value) {
    if (value >= 0) return;
    throw Error({.what = "a setting makes no sense",
                 .where = field,
                 .expected = "a whole number of at least 0",
                 .found = std::to_string(value)});
}

std::vector<TokenId> tokenisedEarlyStop(const Model& model, const std::string& text) {
    const ThinkingTokens tags = thinkingTokens(model);
    if (!tags.open || !tags.close) return {};
    std::vector<TokenId> ids = model.tokenizer->encode(text);
    const auto closes = std::ranges::count(ids, *tags.close);
    const auto opens = std::ranges::count(ids, *tags.open);
    if (closes != 1 || opens != 0) {
        throw Error(
            {.what = "the text that is fed when the budget is reached must close the thinking block",
             .where = "early-stop text",
             .expected = "</think> once and no <think>",
             .found = "</think> " + std::to_string(closes) + " times, <think> " + std::to_string(opens) + " times"});
    }
    return ids;
}

/// A change of a setting is an event, and its text must not be cut there.
void checkRecordable(const std::string& what, std::string where, const std::string& text) {
    constexpr std::size_t kLongest = sizeof(LaneEvent::text) - 1;
    if (text.size() <= kLongest) return;
    throw Error({.what = what + " is too long to be recorded",
                 .where = std::move(where),
                 .expected = "at most " + std::to_string(kLongest) + " bytes",
                 .found = std::to_string(text.size())});
}

}  // namespace

ThinkingTokens thinkingTokens(const Model& model) {
    if (!model.tokenizer) return {};
    return {.open = model.tokenizer->find("<think>"), .close = model.tokenizer->find("</think>"), .early_stop = {}};
}

PreparedSettings prepareSettings(const Model& model, const LaneSettings& settings, std::int32_t slots,
                                 std::int64_t most_rows) {
    checkSampling(settings.sampling);
    checkNotNegative("budget", settings.budget);
    checkNotNegative("max_tokens", settings.max_tokens);
    checkNotNegative("soft close, likeliest tokens", settings.early_stop.soft_rank);
    checkNotNegative("soft close, extra tokens", settings.early_stop.soft_extra);
    checkRecordable("the early-stop settings as JSON", "early-stop text", earlyStopToJson(settings.early_stop));
    PreparedSettings prepared{
        .settings = settings,
        .routing = std::make_unique<LaneRouting>(parsePolicy(settings.policy, model), model.config, most_rows),
        .early_stop = tokenisedEarlyStop(model, settings.early_stop.text)};
    const RoutingPolicy& policy = prepared.routing->policy();
    prepared.settings.policy = policy.text();
    checkRecordable("the policy's text", "routing policy \"" + settings.policy + "\"", policy.text());
    if (policy.maxSlots() > slots) {
        throw Error({.what = "the policy chooses more experts a token than this run has room for",
                     .where = "routing policy \"" + settings.policy + "\"",
                     .expected = "at most " + std::to_string(slots),
                     .found = std::to_string(policy.maxSlots())});
    }
    return prepared;
}

}  // namespace mixoscope
