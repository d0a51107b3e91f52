#include "sessions/experiment_frame.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "sessions/session_name.h"
#include "sessions/sweep.h"

namespace mixoscope {

namespace {

using nlohmann::json;

std::int64_t numberOf(const json& value) {
    return value.is_number_integer() && value >= 0 ? value.get<std::int64_t>() : 0;
}

std::vector<std::int64_t> numbersOf(const json& object, const char* key) {
    std::vector<std::int64_t> numbers;
    if (const auto list = object.find(key); list != object.end() && list->is_array()) {
        for (const json& value : *list) numbers.push_back(numberOf(value));
    }
    return numbers;
}

std::string textOf(const json& object, const char* key) {
    const auto text = object.find(key);
    return text != object.end() && text->is_string() ? text->get<std::string>() : std::string();
}

}  // namespace

ExperimentStretch stretchOf(const Sweep& sweep) {
    return {.begun = utcTime(std::time(nullptr)), .program = MIXO_VERSION, .backend = sweep.backendDescription()};
}

ExperimentFacts factsOf(const Sweep& sweep) {
    ExperimentFacts facts{.model_description = sweep.modelDescription(),
                          .moe_layers = sweep.moeLayers(),
                          .experts = sweep.model().config.num_experts,
                          .expert_bytes = sweep.model().expertBytes()};
    for (const TaskSet& task : sweep.tasks()) facts.items.push_back(std::ssize(task.items));
    return facts;
}

std::string factsJson(const ExperimentFacts& facts) {
    json stretches = json::array();
    for (const ExperimentStretch& stretch : facts.stretches)
        stretches.push_back({{"begun", stretch.begun}, {"program", stretch.program}, {"backend", stretch.backend}});
    return json{{"model_description", facts.model_description},
                {"items", facts.items},
                {"moe_layers", facts.moe_layers},
                {"experts", facts.experts},
                {"expert_bytes", facts.expert_bytes},
                {"stretches", stretches}}
        .dump(-1, ' ', false, json::error_handler_t::replace);
}

ExperimentFacts parseFacts(const std::string& text) {
    const json object = json::parse(text, nullptr, false);
    ExperimentFacts facts;
    if (!object.is_object()) return facts;
    facts.model_description = textOf(object, "model_description");
    facts.items = numbersOf(object, "items");
    facts.expert_bytes = numbersOf(object, "expert_bytes");
    if (object.contains("moe_layers") && object.contains("experts")) {
        facts.moe_layers = numberOf(object["moe_layers"]);
        facts.experts = numberOf(object["experts"]);
    }
    if (const auto list = object.find("stretches"); list != object.end() && list->is_array()) {
        for (const json& stretch : *list) {
            if (!stretch.is_object()) continue;
            facts.stretches.push_back({.begun = textOf(stretch, "begun"),
                                       .program = textOf(stretch, "program"),
                                       .backend = textOf(stretch, "backend")});
        }
    }
    return facts;
}

std::size_t ExperimentFrame::firstCellOf(std::size_t task) const {
    return static_cast<std::size_t>(std::ranges::lower_bound(cells, task, {}, &ExperimentCell::task) - cells.begin());
}

std::vector<std::size_t> ExperimentFrame::askedTasks() const {
    std::vector<std::size_t> asked;
    for (std::size_t task = 0; task < experiment.tasks.size(); ++task) {
        if (!experiment.tasks[task].scoresText()) asked.push_back(task);
    }
    return asked;
}

std::size_t ExperimentFrame::pooledCount() const {
    const std::vector<std::size_t> asked = askedTasks();
    return asked.size() > 1 ? firstCellOf(asked.front() + 1) - firstCellOf(asked.front()) : 0;
}

ExperimentCell ExperimentFrame::choice(std::size_t result) const {
    if (result < cells.size()) return cells[result];
    ExperimentCell pooled = cells[firstCellOf(askedTasks().front()) + result - cells.size()];
    pooled.task = ExperimentCell::kAllTasks;
    return pooled;
}

std::vector<std::size_t> ExperimentFrame::cellsOf(std::size_t result) const {
    if (result < cells.size()) return {result};
    std::vector<std::size_t> of_all;
    for (const std::size_t task : askedTasks()) of_all.push_back(firstCellOf(task) + result - cells.size());
    return of_all;
}

std::optional<std::size_t> ExperimentFrame::pooledOf(std::size_t cell) const {
    if (!poolsTasks() || scoresText(experiment, cells[cell])) return std::nullopt;
    return cells.size() + cell - firstCellOf(cells[cell].task);
}

std::optional<std::size_t> ExperimentFrame::find(const ExperimentCell& wanted) const {
    for (std::size_t result = 0; result < resultCount(); ++result) {
        if (choice(result) == wanted) return result;
    }
    return std::nullopt;
}

std::int64_t ExperimentFrame::items(const ExperimentCell& cell) const {
    if (cell.task == ExperimentCell::kAllTasks) {
        if (facts.items.size() != experiment.tasks.size()) return 0;
        std::int64_t all = 0;
        for (const std::size_t task : askedTasks()) {
            if (facts.items[task] == 0) return 0;
            all += facts.items[task];
        }
        return all;
    }
    return cell.task < facts.items.size() ? facts.items[cell.task] : 0;
}

const TaskItem* ExperimentFrame::item(const ExperimentCell& cell, std::size_t item) const {
    return cell.task < tasks.size() && item < tasks[cell.task].items.size() ? &tasks[cell.task].items[item] : nullptr;
}

std::int64_t ExperimentFrame::runCount() const {
    std::int64_t count = 0;
    for (const ExperimentCell& cell : cells) count += items(cell);
    return count;
}

ExperimentFrame frameOf(const Sweep& sweep) {
    return {.experiment = sweep.experiment(), .cells = sweep.cells(), .tasks = sweep.tasks(), .facts = factsOf(sweep)};
}

ExperimentFrame frameOf(Experiment experiment, ExperimentFacts facts) {
    std::vector<ExperimentCell> cells = experimentCells(experiment);
    return {.experiment = std::move(experiment), .cells = std::move(cells), .tasks = {}, .facts = std::move(facts)};
}

}  // namespace mixoscope
