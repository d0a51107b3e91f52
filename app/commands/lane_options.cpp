#include "app/commands/lane_options.h"

#include <charconv>

#include "engine/error.h"

namespace mixoscope {

void LaneOptions::add(CLI::App& command) {
    command.add_option("--mode", mode, "think, no_think, or auto: the last /think or /no_think of the text decides")
        ->check(CLI::IsMember({"think", "no_think", "auto"}))
        ->capture_default_str();
    command.add_option("--budget", budget, "Tokens that may lie between <think> and </think>, or unlimited")
        ->capture_default_str();
    command.add_option("--policy", policy, "Routing policy, such as top-k:k=8; mixoscope policies lists them")
        ->capture_default_str();
    command.add_option("--seed", seed, "Seed of the sampling")->capture_default_str();
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
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    command.add_flag("--ignore-eos", ignore_eos, "Go on after the end-of-turn token, up to --max-tokens");
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
    SamplingSettings& sampling = settings.sampling;
    sampling = model.sampling(thinking ? ThinkingMode::kThink : ThinkingMode::kNoThink);
    sampling.greedy = greedy;
    sampling.seed = seed;
    sampling.temperature = temperature.value_or(sampling.temperature);
    sampling.top_p = top_p.value_or(sampling.top_p);
    sampling.top_k = top_k.value_or(sampling.top_k);
    sampling.min_p = min_p.value_or(sampling.min_p);
    sampling.presence_penalty = presence_penalty.value_or(sampling.presence_penalty);
    sampling.repetition_penalty = repetition_penalty.value_or(sampling.repetition_penalty);
    return settings;
}

}  // namespace mixoscope
