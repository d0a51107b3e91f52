// What the runs of an experiment are counted against: its cells, the items of its tasks, the shape of its model.
#pragma once

#include <cstdint>
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

    /// Of the cell's task; 0: not known.
    std::int64_t items(const ExperimentCell& cell) const;
    /// Null where the task's file cannot be read.
    const TaskItem* item(const ExperimentCell& cell, std::size_t item) const;
    /// Runs of all cells; 0: not known.
    std::int64_t runCount() const;
};
ExperimentFrame frameOf(const Sweep& sweep);
/// Of what a file says alone.
ExperimentFrame frameOf(Experiment experiment, ExperimentFacts facts);

}  // namespace mixoscope
