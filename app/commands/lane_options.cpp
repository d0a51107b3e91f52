#include "app/commands/lane_options.h"

#include <charconv>
#include <limits>
#include <vector>

#include "engine/error.h"

namespace mixoscope {

namespace {

[[noreturn]] void refuse(const std::string& where, const char* what, const char* expected, const std::string& found) {
    throw Error({.what = what, .where = where, .expected = expected, .found = "\"" + found + "\""});
}

template <typename Number>
Number number(const std::string& text, const std::string& where) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) refuse(where, "this is no number", "a number", text);
    return value;
}

/// The parts between the semicolons that stand outside double quotes; empty ones are left out.
std::vector<std::string> parts(const std::string& text) {
    std::vector<std::string> found(1);
    bool quoted = false;
    for (const char character : text) {
        if (character == '"') quoted = !quoted;
        if (character == ';' && !quoted) {
            found.emplace_back();
        } else {
            found.back() += character;
        }
    }
    std::erase(found, "");
    return found;
}

}  // namespace

void LaneOptions::add(CLI::App& command) {
    command.add_option("--mode", mode, "think, no_think, or auto: the last /think or /no_think of the text decides")
        ->check(CLI::IsMember({"think", "no_think", "auto"}))
        ->capture_default_str();
    command.add_option("--budget", budget, "Tokens that may lie between <think> and </think>, or unlimited")
        ->capture_default_str();
    command.add_option("--policy", policy, "Routing policy, such as top-k:k=8; mixoscope policies lists them")
        ->capture_default_str();
    command.add_option("--seed", seed, "Seed of the sampling")
        ->check([](const std::string& text) {  // CLI11 alone would take -1 for 2^64 - 1
            std::uint64_t value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            const bool whole = error == std::errc{} && end == text.data() + text.size();
            return whole ? std::string() : "This is no seed; expected a whole number from 0; found \"" + text + '"';
        })
        ->capture_default_str();
    CLI::Option* greedy_option = command.add_flag("--greedy", greedy, "Always the likeliest token");
    // The checks' defaults are the model's and the mode's; their ranges are checked where all settings are.
    command.add_option("--temperature", temperature, "0 is greedy")->excludes(greedy_option);
    command.add_option("--top-p", top_p, "Keep the likeliest tokens up to this probability")->excludes(greedy_option);
    command.add_option("--top-k", top_k, "Keep this many of the likeliest tokens; 0: all")->excludes(greedy_option);
    command.add_option("--min-p", min_p, "Keep tokens of at least this share of the likeliest's probability")
        ->excludes(greedy_option);
    command.add_option("--presence-penalty", presence_penalty,
                       "Subtracted from the logits of tokens already generated");
    command.add_option("--repetition-penalty", repetition_penalty, "Divides the logits of all tokens so far; 1: off");
    command.add_option("--max-tokens", max_tokens, "Stop after this many tokens; 0: when the context is full")
        ->check(CLI::Range(0, std::numeric_limits<std::int32_t>::max()))
        ->capture_default_str();
    command.add_flag("--ignore-eos", ignore_eos, "Go on after the end-of-turn token, up to --max-tokens");
}

LaneOptions LaneOptions::with(const std::string& text, const std::string& where) const {
    LaneOptions lane = *this;
    std::string drawn_by;  // a key that means nothing to a greedy lane
    for (const std::string& part : parts(text)) {
        const std::size_t equals = part.find('=');
        const std::string key = part.substr(0, equals);
        const std::string place = where + ", " + key;
        if (equals == std::string::npos) {
            if (key != "greedy") refuse(where, "unknown word in a lane", "key=value, or greedy", key);
            lane.greedy = true;
            continue;
        }
        const std::string value = part.substr(equals + 1);
        if (key == "greedy") refuse(where, "greedy takes no value", "the word alone, as in policy=model;greedy", part);
        if (key == "temperature" || key == "top_p" || key == "top_k" || key == "min_p") drawn_by = key;
        if (key == "policy") {
            lane.policy = value;
        } else if (key == "budget") {
            lane.budget = value;
            if (value != "unlimited" && number<std::int32_t>(value, place) < 0)
                refuse(place, "this is no thinking budget", "a whole number from 0, or unlimited", value);
        } else if (key == "mode") {
            if (value != "think" && value != "no_think" && value != "auto")
                refuse(place, "this is no mode", "think, no_think or auto", value);
            lane.mode = value;
        } else if (key == "seed") {
            lane.seed = number<std::uint64_t>(value, place);
        } else if (key == "temperature") {
            lane.temperature = number<float>(value, place);
        } else if (key == "top_p") {
            lane.top_p = number<float>(value, place);
        } else if (key == "top_k") {
            lane.top_k = number<std::int32_t>(value, place);
        } else if (key == "min_p") {
            lane.min_p = number<float>(value, place);
        } else if (key == "presence_penalty") {
            lane.presence_penalty = number<float>(value, place);
        } else if (key == "repetition_penalty") {
            lane.repetition_penalty = number<float>(value, place);
        } else if (key == "max_tokens") {
            lane.max_tokens = number<std::int32_t>(value, place);
        } else {
            refuse(
                where, "unknown key of a lane",
                "policy, budget, mode, seed, temperature, top_p, top_k, min_p, presence_penalty, repetition_penalty, "
                "max_tokens or greedy",
                key);
        }
    }
    if (lane.greedy && !drawn_by.empty())
        refuse(where + ", " + drawn_by, "a greedy lane draws nothing", "one of the two", "both");
    return lane;
}

ThinkingMode LaneOptions::thinkingMode() const {
    if (mode == "think") return ThinkingMode::kThink;
    return mode == "no_think" ? ThinkingMode::kNoThink : ThinkingMode::kAuto;
}

std::int32_t LaneOptions::budgetTokens() const {
    if (budget == "unlimited") return kUnlimitedBudget;
    std::int32_t tokens = -1;
    const auto [end, error] = std::from_chars(budget.data(), budget.data() + budget.size(), tokens);
    if (error == std::errc{} && end == budget.data() + budget.size() && tokens >= 0) return tokens;
    throw Error({.what = "This is no thinking budget",
                 .where = "--budget",
                 .expected = "a whole number of at least 0, or unlimited",
                 .found = "\"" + budget + "\""});
}

LaneSettings LaneOptions::settings(const LoadedModel& model, bool thinking) const {
    LaneSettings settings;
    settings.mode = thinkingMode();
    settings.budget = budgetTokens();
    settings.policy = policy;
    settings.max_tokens = max_tokens;
    settings.ignore_eos = ignore_eos;
    settings.sampling = model.sampling(thinking ? ThinkingMode::kThink : ThinkingMode::kNoThink);
    settings.sampling.greedy = greedy;
    settings.sampling.seed = seed;
    setOptional(settings.sampling);
    return settings;
}

void LaneOptions::setOptional(SamplingSettings& sampling) const {
    sampling.temperature = temperature.value_or(sampling.temperature);
    sampling.top_p = top_p.value_or(sampling.top_p);
    sampling.top_k = top_k.value_or(sampling.top_k);
    sampling.min_p = min_p.value_or(sampling.min_p);
    sampling.presence_penalty = presence_penalty.value_or(sampling.presence_penalty);
    sampling.repetition_penalty = repetition_penalty.value_or(sampling.repetition_penalty);
}

LaneSettings LaneOptions::settingsOver(LaneSettings recorded, const CLI::App& command) const {
    const auto given = [&](const char* option) { return command.count(option) > 0; };
    if (given("--budget")) recorded.budget = budgetTokens();
    if (given("--policy")) recorded.policy = policy;
    if (given("--max-tokens")) recorded.max_tokens = max_tokens;
    if (given("--ignore-eos")) recorded.ignore_eos = ignore_eos;
    if (given("--seed")) recorded.sampling.seed = seed;
    if (given("--greedy")) recorded.sampling.greedy = true;
    // What only means something to a lane that draws asks for one.
    if (temperature || top_p || top_k || min_p) recorded.sampling.greedy = false;
    setOptional(recorded.sampling);
    return recorded;
}

}  // namespace mixoscope
