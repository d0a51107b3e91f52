#include "sessions/experiment.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "engine/error.h"
#include "engine/json_text.h"
#include "engine/mapped_file.h"
#include "sessions/record_names.h"

namespace mixoscope {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kLargestFile = 1U << 20;
constexpr std::string_view kAllTasksName = "all tasks";
constexpr std::size_t kMostChoices = 1000;  // of one kind
constexpr std::int64_t kLargestWindow = std::numeric_limits<std::int32_t>::max();

[[noreturn]] void fail(std::string what, std::string where, std::string expected, std::string found) {
    throw Error({.what = std::move(what),
                 .where = std::move(where),
                 .expected = std::move(expected),
                 .found = std::move(found)});
}

void refuseUnknown(const json& object, std::span<const std::string_view> known, const std::string& where) {
    for (const auto& [key, value] : object.items()) {
        if (std::ranges::find(known, key) != known.end()) continue;
        std::string names;
        for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
        fail("This field is not known", where, names, key);
    }
}

/// The values of a list, each read by read(value, where); none twice.
template <typename T, typename Read>
std::vector<T> choices(const JsonFields& fields, std::string_view key, std::vector<T> absent, const Read& read) {
    const json* list = fields.find(key);
    if (list == nullptr) return absent;
    if (!list->is_array() || list->empty() || list->size() > kMostChoices)
        fail("There must be something to choose from", fields.at(key), "a list of 1 to 1000 choices",
             describeJson(*list));
    std::vector<T> values;
    for (const json& entry : *list) {
        const std::string where = fields.at(key) + ", choice " + std::to_string(values.size() + 1);
        T value = read(entry, where);
        if (std::ranges::find(values, value) != values.end())
            fail("This choice is given twice", where, "different choices", describeJson(entry));
        values.push_back(std::move(value));
    }
    return values;
}

std::string textOf(const json& value, const std::string& where) {
    if (!value.is_string() || value.get<std::string>().empty())
        fail("This is no text", where, "a text", describeJson(value));
    return value.get<std::string>();
}

ThinkingMode modeOf(const json& value, const std::string& where) {
    if (value == "think") return ThinkingMode::kThink;
    if (value == "no_think") return ThinkingMode::kNoThink;
    fail("This is no mode of an experiment", where, "\"think\" or \"no_think\"", describeJson(value));
}

std::int32_t budgetOf(const json& value, const std::string& where) {
    if (value == "unlimited") return kUnlimitedBudget;
    if (value.is_number_integer() && value >= 0 && value < kUnlimitedBudget) return value.get<std::int32_t>();
    fail("This is no thinking budget", where, "a whole number of at least 0, or \"unlimited\"", describeJson(value));
}

std::uint64_t seedOf(const json& value, const std::string& where) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>();
    fail("This is no seed", where, "a whole number of at least 0", describeJson(value));
}

std::int32_t lanesOf(const json& value, const std::string& where) {
    if (value.is_number_integer() && value >= 1 && value <= Experiment::kMostLanes) return value.get<std::int32_t>();
    fail("This is no number of runs in a batch", where,
         "a whole number from 1 to " + std::to_string(Experiment::kMostLanes), describeJson(value));
}

Experiment::Sampling samplingOf(const json& value, const std::string& where) {
    constexpr std::string_view kKnown[] = {"greedy", "temperature", "top_p", "top_k", "min_p"};
    if (!value.is_object())
        fail("This is no choice of sampling", where,
             R"(an object: {"greedy": true}, {"temperature": 0.6, "top_p": 0.95}, or {} for the mode's default)",
             describeJson(value));
    const JsonFields fields(value, where);
    refuseUnknown(value, kKnown, where);
    Experiment::Sampling sampling{.greedy = fields.boolean("greedy", false),
                                  .temperature = fields.optionalNumber("temperature", 0.0, 100.0),
                                  .top_p = fields.optionalNumber("top_p", 0.0, 1.0),
                                  .top_k = fields.optionalInteger("top_k", 0, std::numeric_limits<std::int32_t>::max()),
                                  .min_p = fields.optionalNumber("min_p", 0.0, 1.0)};
    if (sampling.greedy && value.size() > 1)
        fail("Greedy decoding has no further settings", where, "\"greedy\" alone", describeJson(value));
    return sampling;
}

/// A field that would do nothing is one that somebody misunderstands.
void checkEffects(const ExperimentTask& task, const JsonFields& fields) {
    const std::string layout(taskLayoutName(task.layout));
    for (const char* field : {"window", "stride"}) {
        if (!task.scoresText() && fields.find(field) != nullptr)
            fail("Only a text is cut into windows", fields.at(field), "layout text", "layout " + layout);
    }
    for (const char* field : {"answer", "system"}) {
        if (task.scoresText() && fields.find(field) != nullptr)
            fail("A text is scored, not asked", fields.at(field), "no such field, or another layout", "layout text");
    }
}

ExperimentTask taskOf(const json& value, const std::string& where, const std::filesystem::path& directory) {
    constexpr std::string_view kKnown[] = {"name", "file", "layout", "answer", "limit", "system", "window", "stride"};
    const JsonFields fields(value, where);
    refuseUnknown(value, kKnown, where);
    const auto file = fields.optionalText("file");
    if (!file || file->empty()) fail("A task has no file", fields.at("file"), "the path of a task file", "nothing");
    ExperimentTask task;
    task.file = std::filesystem::path(*file).is_absolute() ? std::filesystem::path(*file)
                                                           : (directory / *file).lexically_normal();
    task.name = fields.optionalText("name").value_or(task.file.stem().string());
    task.layout = parseTaskLayout(fields.optionalText("layout").value_or("auto"), fields.at("layout"));
    if (const auto rule = fields.optionalText("answer"))
        task.rule = AnswerRule::parse(*rule, fields.at("answer")).text();
    task.limit = fields.optionalInteger("limit", 0, std::numeric_limits<std::int32_t>::max()).value_or(0);
    task.system = fields.optionalText("system").value_or("");
    task.window = fields.optionalInteger("window", 2, kLargestWindow).value_or(0);
    task.stride = fields.optionalInteger("stride", 1, kLargestWindow).value_or(0);
    checkEffects(task, fields);
    return task;
}

std::vector<ExperimentTask> tasksOf(const JsonFields& fields, const std::filesystem::path& directory) {
    const json* list = fields.find("tasks");
    if (list == nullptr || !list->is_array() || list->empty() || list->size() > kMostChoices)
        fail("An experiment needs tasks", fields.at("tasks"), "a list of 1 to 1000 tasks",
             list == nullptr ? "nothing" : describeJson(*list));
    std::vector<ExperimentTask> tasks;
    for (const json& entry : *list) {
        const std::string where = fields.at("tasks") + ", task " + std::to_string(tasks.size() + 1);
        ExperimentTask task = taskOf(entry, where, directory);
        if (task.name == kAllTasksName)
            fail("This name stands for all tasks together", where + ", field name", "another name", task.name);
        const auto same = [&](const ExperimentTask& other) { return other.name == task.name; };
        if (std::ranges::any_of(tasks, same))
            fail("Two tasks have one name", where + ", field name", "another name", task.name);
        tasks.push_back(std::move(task));
    }
    return tasks;
}

ordered_json samplingJson(const Experiment::Sampling& sampling) {
    ordered_json object = ordered_json::object();
    if (sampling.greedy) object["greedy"] = true;
    if (sampling.temperature) object["temperature"] = *sampling.temperature;
    if (sampling.top_p) object["top_p"] = *sampling.top_p;
    if (sampling.top_k) object["top_k"] = *sampling.top_k;
    if (sampling.min_p) object["min_p"] = *sampling.min_p;
    return object;
}

ordered_json taskJson(const ExperimentTask& task) {
    ordered_json object = {
        {"name", task.name}, {"file", task.file.string()}, {"layout", std::string(taskLayoutName(task.layout))}};
    if (!task.rule.empty()) object["answer"] = task.rule;
    if (task.limit > 0) object["limit"] = task.limit;
    if (!task.system.empty()) object["system"] = task.system;
    if (task.window > 0) object["window"] = task.window;
    if (task.stride > 0) object["stride"] = task.stride;
    return object;
}

}  // namespace

std::string Experiment::at(std::string_view field) const {
    return (file.empty() ? name : file.string()) + ", field " + std::string(field);
}

Experiment parseExperiment(std::span<const std::byte> text, const std::filesystem::path& file) {
    constexpr std::string_view kKnown[] = {"name",     "model", "tasks",       "policies",   "modes", "budgets",
                                           "sampling", "seeds", "soft_switch", "max_tokens", "lanes"};
    const std::string where = file.string();
    const json object = parseJsonText(text, where);
    const JsonFields fields(object, where);
    refuseUnknown(object, kKnown, where);
    Experiment experiment;
    experiment.file = file;
    experiment.name = fields.optionalText("name").value_or(file.stem().string());
    experiment.model = fields.optionalText("model").value_or(experiment.model);
    experiment.tasks = tasksOf(fields, std::filesystem::absolute(file).parent_path());
    experiment.policies = choices(fields, "policies", experiment.policies, textOf);
    experiment.modes = choices(fields, "modes", experiment.modes, modeOf);
    experiment.budgets = choices(fields, "budgets", experiment.budgets, budgetOf);
    experiment.samplings = choices(fields, "sampling", experiment.samplings, samplingOf);
    experiment.seeds = choices(fields, "seeds", experiment.seeds, seedOf);
    experiment.soft_switch = fields.boolean("soft_switch", experiment.soft_switch);
    experiment.max_tokens =
        static_cast<std::int32_t>(fields.optionalInteger("max_tokens", 0, std::numeric_limits<std::int32_t>::max())
                                      .value_or(experiment.max_tokens));
    if (const json* lanes = fields.find("lanes"); lanes != nullptr && !lanes->is_array()) {
        experiment.lanes = {lanesOf(*lanes, fields.at("lanes"))};
    } else {
        experiment.lanes = choices(fields, "lanes", experiment.lanes, lanesOf);
    }
    return experiment;
}

Experiment readExperiment(const std::filesystem::path& file) {
    return parseExperiment(readSmallFile(file, kLargestFile), file);
}

std::string experimentJson(const Experiment& experiment) {
    ordered_json tasks = ordered_json::array();
    for (const ExperimentTask& task : experiment.tasks) tasks.push_back(taskJson(task));
    ordered_json modes = ordered_json::array();
    for (const ThinkingMode mode : experiment.modes) modes.push_back(modeName(static_cast<std::int64_t>(mode)));
    ordered_json budgets = ordered_json::array();
    for (const std::int32_t budget : experiment.budgets)
        budgets.push_back(budget == kUnlimitedBudget ? ordered_json("unlimited") : ordered_json(budget));
    ordered_json samplings = ordered_json::array();
    for (const Experiment::Sampling& sampling : experiment.samplings) samplings.push_back(samplingJson(sampling));
    ordered_json object = {{"name", experiment.name},
                           {"model", experiment.model},
                           {"tasks", tasks},
                           {"policies", experiment.policies},
                           {"modes", modes},
                           {"budgets", budgets},
                           {"sampling", samplings},
                           {"seeds", experiment.seeds},
                           {"soft_switch", experiment.soft_switch},
                           {"lanes", experiment.lanes.size() == 1 ? ordered_json(experiment.lanes.front())
                                                                  : ordered_json(experiment.lanes)}};
    if (experiment.max_tokens > 0) object["max_tokens"] = experiment.max_tokens;
    return object.dump(2);
}

std::vector<ExperimentCell> experimentCells(const Experiment& experiment) {
    std::vector<ExperimentCell> cells;
    for (std::size_t task = 0; task < experiment.tasks.size(); ++task) {
        for (std::size_t policy = 0; policy < experiment.policies.size(); ++policy) {
            if (experiment.tasks[task].scoresText()) {
                for (const std::int32_t lanes : experiment.lanes)
                    cells.push_back({.task = task,
                                     .policy = policy,
                                     .mode = ThinkingMode::kNoThink,
                                     .seed = experiment.seeds.front(),
                                     .lanes = lanes});
                continue;
            }
            for (std::size_t sampling = 0; sampling < experiment.samplings.size(); ++sampling) {
                const std::size_t seeds = experiment.samplings[sampling].greedy ? 1 : experiment.seeds.size();
                for (const ThinkingMode mode : experiment.modes) {
                    const bool budgeted = mode == ThinkingMode::kThink;
                    for (std::size_t budget = 0; budget < (budgeted ? experiment.budgets.size() : 1); ++budget) {
                        for (std::size_t seed = 0; seed < seeds; ++seed) {
                            for (const std::int32_t lanes : experiment.lanes)
                                cells.push_back({.task = task,
                                                 .policy = policy,
                                                 .sampling = sampling,
                                                 .mode = mode,
                                                 .budget = budgeted ? experiment.budgets[budget] : kUnlimitedBudget,
                                                 .seed = experiment.seeds[seed],
                                                 .lanes = lanes});
                        }
                    }
                }
            }
        }
    }
    return cells;
}

std::string experimentPrompt(const Experiment& experiment, const ExperimentCell& cell, const std::string& prompt) {
    if (!experiment.soft_switch) return prompt;
    return prompt + (cell.mode == ThinkingMode::kThink ? " /think" : " /no_think");
}

bool scoresText(const Experiment& experiment, const ExperimentCell& cell) {
    return cell.task != ExperimentCell::kAllTasks && experiment.tasks[cell.task].scoresText();
}

std::string taskName(const Experiment& experiment, const ExperimentCell& cell) {
    return cell.task == ExperimentCell::kAllTasks ? std::string(kAllTasksName) : experiment.tasks[cell.task].name;
}

std::string samplingText(const Experiment::Sampling& sampling) {
    if (sampling.greedy) return "greedy";
    const std::string text = samplingJson(sampling).dump();
    return text == "{}" ? "default" : text;
}

}  // namespace mixoscope
