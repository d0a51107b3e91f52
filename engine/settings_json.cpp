#include "engine/settings_json.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace mixoscope {

namespace {

using nlohmann::json;

/// The number as a person wrote it: 0.6, not 0.6000000238418579. It reads back as the same float.
double shortest(float value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
    double number = 0.0;
    std::from_chars(text, end, number);
    return number;
}

template <typename T>
void read(const json& object, const char* key, std::string_view where, T& value) {
    const auto found = object.find(key);
    if (found == object.end()) return;
    try {
        value = found->get<T>();
    } catch (const json::exception&) {
        throw Error({.what = "The setting has a wrong type",
                     .where = std::string(where) + ", " + key,
                     .expected = {},
                     .found = found->dump(),
                     .advice = {}});
    }
}

json toJson(const SamplingSettings& sampling) {
    return {{"greedy", sampling.greedy},
            {"temperature", shortest(sampling.temperature)},
            {"top_p", shortest(sampling.top_p)},
            {"top_k", sampling.top_k},
            {"min_p", shortest(sampling.min_p)},
            {"presence_penalty", shortest(sampling.presence_penalty)},
            {"repetition_penalty", shortest(sampling.repetition_penalty)},
            {"seed", sampling.seed}};
}

json toJson(const EarlyStop& early_stop) {
    return {{"early_stop", early_stop.text},
            {"early_stop_soft_rank", early_stop.soft_rank},
            {"early_stop_soft_extra", early_stop.soft_extra}};
}

std::string textOf(const json& object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string settingsToJson(const LaneSettings& settings) {
    json object = {{"mode", static_cast<int>(settings.mode)},
                   {"budget", settings.budget},
                   {"policy", settings.policy},
                   {"max_tokens", settings.max_tokens},
                   {"ignore_eos", settings.ignore_eos}};
    object.update(toJson(settings.sampling));
    object.update(toJson(settings.early_stop));
    return textOf(object);
}

std::string samplingToJson(const SamplingSettings& sampling) {
    return textOf(toJson(sampling));
}

std::string earlyStopToJson(const EarlyStop& early_stop) {
    return textOf(toJson(early_stop));
}

LaneSettings settingsFromJson(std::string_view text, std::string_view where, LaneSettings settings) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object())
        throw Error({.what = "The settings are not JSON",
                     .where = std::string(where),
                     .expected = "an object",
                     .found = {},
                     .advice = {}});
    int mode = static_cast<int>(settings.mode);
    read(object, "mode", where, mode);
    if (mode < 0 || mode > static_cast<int>(ThinkingMode::kAuto))
        throw Error({.what = "Unknown mode",
                     .where = std::string(where) + ", mode",
                     .expected = "0 to 2",
                     .found = std::to_string(mode),
                     .advice = {}});
    settings.mode = static_cast<ThinkingMode>(mode);
    read(object, "budget", where, settings.budget);
    read(object, "policy", where, settings.policy);
    read(object, "greedy", where, settings.sampling.greedy);
    read(object, "temperature", where, settings.sampling.temperature);
    read(object, "top_p", where, settings.sampling.top_p);
    read(object, "top_k", where, settings.sampling.top_k);
    read(object, "min_p", where, settings.sampling.min_p);
    read(object, "presence_penalty", where, settings.sampling.presence_penalty);
    read(object, "repetition_penalty", where, settings.sampling.repetition_penalty);
    read(object, "seed", where, settings.sampling.seed);
    read(object, "early_stop", where, settings.early_stop.text);
    read(object, "early_stop_soft_rank", where, settings.early_stop.soft_rank);
    read(object, "early_stop_soft_extra", where, settings.early_stop.soft_extra);
    read(object, "max_tokens", where, settings.max_tokens);
    read(object, "ignore_eos", where, settings.ignore_eos);
    return settings;
}

}  // namespace mixoscope
