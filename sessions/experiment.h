// What an experiment is: tasks × modes × budgets × policies × samplings × seeds, as an experiment file (JSON) says it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/lane_settings.h"
#include "sessions/task_set.h"

namespace mixoscope {

struct ExperimentTask {
    std::string name;
    std::filesystem::path file;  // absolute
    TaskLayout layout = TaskLayout::kAuto;
    std::string rule;         // of AnswerRule::parse; empty: the layout's own
    std::int64_t limit = 0;   // of its first items; 0: all
    std::string system;       // the system message, may be empty
    std::int64_t window = 0;  // tokens of a text that are read at once; 0: 1024, or the context if that is less
    std::int64_t stride = 0;  // tokens from window to window; 0: half a window

    /// A text is not asked: modes, budgets, samplings and seeds have no effect on it.
    bool scoresText() const { return layout == TaskLayout::kText; }
};

struct Experiment {
    static constexpr std::int32_t kMostLanes = 64;

    std::string name;
    std::filesystem::path file;  // where it was read, for messages; no part of what it is
    std::string model = "demo";
    std::vector<ExperimentTask> tasks;
    std::vector<std::string> policies = {"model"};
    std::vector<ThinkingMode> modes = {ThinkingMode::kThink};  // kThink and kNoThink
    std::vector<std::int32_t> budgets = {kUnlimitedBudget};
    /// What is not given follows the mode's default (LoadedModel::sampling).
    struct Sampling {
        bool greedy = false;
        std::optional<double> temperature = {};
        std::optional<double> top_p = {};
        std::optional<std::int64_t> top_k = {};
        std::optional<double> min_p = {};

        bool operator==(const Sampling&) const = default;
    };
    std::vector<Sampling> samplings = {Sampling{.greedy = true}};
    std::vector<std::uint64_t> seeds = {0};
    bool soft_switch = false;     // append " /think" or " /no_think" to the prompts, beside the template's hard switch
    std::int32_t max_tokens = 0;  // of a turn; 0: as many as the context holds
    std::vector<std::int32_t> lanes = {8};  // runs in one batch

    /// A field as messages name it: "e.json, field policies".
    std::string at(std::string_view field) const;
};

/// One combination of choices: it is run over every item of its task. Choices without an effect are not repeated:
/// no_think has one budget, greedy decoding one seed, a text one cell a policy and batch size (kNoThink). What runs
/// beside a run changes its times and nothing else.
struct ExperimentCell {
    /// Of results over the items of all tasks that are asked, together.
    static constexpr std::size_t kAllTasks = std::numeric_limits<std::size_t>::max();

    std::size_t task = 0;      // index into Experiment::tasks, or kAllTasks
    std::size_t policy = 0;    // index into Experiment::policies
    std::size_t sampling = 0;  // index into Experiment::samplings
    ThinkingMode mode = ThinkingMode::kThink;
    std::int32_t budget = kUnlimitedBudget;
    std::uint64_t seed = 0;
    std::int32_t lanes = 8;

    bool operator==(const ExperimentCell&) const = default;
};

/// Reads an experiment. Relative task files are looked for beside `file`. Throws Error naming field, expected and
/// found, also for a field that is not known, and for a choice that is given twice.
Experiment parseExperiment(std::span<const std::byte> text, const std::filesystem::path& file);
Experiment readExperiment(const std::filesystem::path& file);
/// The experiment as a file in the form that parseExperiment reads, with absolute task files: two experiments are the
/// same exactly when these texts are.
std::string experimentJson(const Experiment& experiment);

/// The cells in the order in which they are run: task, policy, sampling, mode, budget, seed, lanes, the last fastest.
/// Batch sizes are choices of a text too: its speed depends on them as that of an answer does.
std::vector<ExperimentCell> experimentCells(const Experiment& experiment);

/// The user's message: an item's prompt, with the soft switch where the experiment asks for one.
std::string experimentPrompt(const Experiment& experiment, const ExperimentCell& cell, const std::string& prompt);

/// Whether it is a cell of a text; results over all tasks are not, they are over those that are asked.
bool scoresText(const Experiment& experiment, const ExperimentCell& cell);

/// Its name, "all tasks" for results over all of them.
std::string taskName(const Experiment& experiment, const ExperimentCell& cell);

/// "greedy", "default", or the values given as JSON.
std::string samplingText(const Experiment::Sampling& sampling);

}  // namespace mixoscope
