// What the runs of an experiment are counted against: its cells, the items of its tasks, the shape of its model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sessions/experiment.h"
#include "sessions/task_set.h"

namespace mixoscope {

class Sweep;

/// A time in which runs were made without a break: times of another one may be those of another machine.
struct ExperimentStretch {
    std::string begun = {};    // "2026-03-14T09:26:53Z"
    std::string program = {};  // its version
    std::string backend = {};  // "cpu (AVX2, 2 threads)"
};
/// One that begins now.
ExperimentStretch stretchOf(const Sweep& sweep);

/// Of the model and the tasks as they were when the experiment was begun. Kept in its file, so that results can be read
/// where model and task files are not.
struct ExperimentFacts {
    std::string model_description = {};
    std::vector<std::int64_t> items = {};         // (tasks)
    std::int64_t moe_layers = 0;                  // 0: not known
    std::int64_t experts = 0;                     // of a layer
    std::vector<std::int64_t> expert_bytes = {};  // (MoE layers) weights of one expert
    std::vector<ExperimentStretch> stretches = {};

    std::size_t loadCounts() const { return static_cast<std::size_t>(moe_layers * experts); }
};
/// Without stretches.
ExperimentFacts factsOf(const Sweep& sweep);
std::string factsJson(const ExperimentFacts& facts);
/// What is missing or of another kind stays at its default: files of earlier versions have no facts.
ExperimentFacts parseFacts(const std::string& text);

struct ExperimentFrame {
    Experiment experiment;
    std::vector<ExperimentCell> cells;
    std::vector<TaskSet> tasks;  // (tasks), or none where the files cannot be read
    ExperimentFacts facts;

    /// Results are there of each cell and, where several tasks are asked, of every other choice over all of these
    /// together; they are numbered so, the cells first. A text is scored and not asked, so it is never among them.
    std::size_t resultCount() const { return cells.size() + pooledCount(); }
    ExperimentCell choice(std::size_t result) const;
    /// The cells whose runs a result counts.
    std::vector<std::size_t> cellsOf(std::size_t result) const;
    bool poolsTasks() const { return pooledCount() > 0; }
    /// The result over all tasks that counts the runs of the cell; none of a text, or where a single task is asked.
    std::optional<std::size_t> pooledOf(std::size_t cell) const;
    /// The result of a choice.
    std::optional<std::size_t> find(const ExperimentCell& choice) const;

    /// Of the cell's task, or of all that are asked; 0: not known.
    std::int64_t items(const ExperimentCell& cell) const;
    /// Null where the task's file cannot be read.
    const TaskItem* item(const ExperimentCell& cell, std::size_t item) const;
    /// Runs of all cells; 0: not known.
    std::int64_t runCount() const;

private:
    /// Cells are ordered by task, and each task that is asked has the same ones.
    std::size_t firstCellOf(std::size_t task) const;
    std::vector<std::size_t> askedTasks() const;
    std::size_t pooledCount() const;
};
ExperimentFrame frameOf(const Sweep& sweep);
/// Of what a file says alone.
ExperimentFrame frameOf(Experiment experiment, ExperimentFacts facts);

}  // namespace mixoscope
