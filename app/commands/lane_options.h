// The options that become a lane's settings: mode, budget, policy, sampling, limits.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "engine/lane_settings.h"
#include "sessions/loaded_model.h"

namespace mixoscope {

struct LaneOptions {
    std::string mode = "auto";
    std::string budget = "unlimited";
    std::string policy = "model";
    std::uint64_t seed = 0;
    bool greedy = false;
    std::optional<float> temperature;
    std::optional<float> top_p;
    std::optional<std::int32_t> top_k;
    std::optional<float> min_p;
    std::optional<float> presence_penalty;
    std::optional<float> repetition_penalty;
    std::int32_t max_tokens = 0;
    bool ignore_eos = false;

    void add(CLI::App& command);

    /// These options with what the text of a lane says: key=value and the word greedy, separated by ";", of which one
    /// in double quotes separates nothing. Throws Error naming `where` for an unknown key or a value that makes no
    /// sense.
    LaneOptions with(const std::string& text, const std::string& where) const;

    ThinkingMode thinkingMode() const;
    /// Throws Error when the budget is no number.
    std::int32_t budgetTokens() const;
    /// `thinking`: whether the turn may think, which decides the sampling defaults.
    LaneSettings settings(const LoadedModel& model, bool thinking) const;
    /// `recorded` with what was given to `command`, to which these options were added. The mode is the prompt's and
    /// stays.
    LaneSettings settingsOver(LaneSettings recorded, const CLI::App& command) const;

private:
    void setOptional(SamplingSettings& sampling) const;
};

}  // namespace mixoscope
