// Runs an experiment: every cell over every item of its task, in batches of lanes. A run's tokens do not depend on what
// runs beside it (batch invariance), so a sweep that was interrupted goes on to the same results.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "probes/run_meter.h"
#include "sessions/experiment.h"
#include "sessions/loaded_model.h"
#include "sessions/task_set.h"

namespace mixoscope {

/// A run is known by its cell and its item.
struct RunKey {
    std::size_t cell = 0;
    std::size_t item = 0;
    auto operator<=>(const RunKey&) const = default;
};

struct RunResult {
    RunKey key;
    std::string answer;   // the text after the think block
    bool judged = false;  // the task has answers
    bool correct = false;
    bool followed_mode = false;  // thinks in think mode (budget above 0), does not in no_think mode
    std::int32_t prompt_tokens = 0;
    std::int32_t thinking_tokens = 0;
    std::int32_t answer_tokens = 0;
    std::int32_t injected_tokens = 0;
    StopReason stop_reason = StopReason::kNone;
    double ttft_ms = 0.0;  // in a batch: steps are shared with other runs
    double tpot_ms = 0.0;
    double latency_ms = 0.0;
    RunMeasures measures;
};

class Sweep {
public:
    /// Reads the tasks and checks every choice before anything runs. Throws Error: a task file that does not fit, a
    /// policy that is none or cannot run on this model, a mode that the checkpoint does not have, no tokenizer.
    Sweep(std::shared_ptr<LoadedModel> loaded, Experiment experiment);

    const Model& model() const { return m_loaded->model; }
    const Experiment& experiment() const { return m_experiment; }
    const std::vector<ExperimentCell>& cells() const { return m_cells; }
    const std::vector<TaskSet>& tasks() const { return m_tasks; }
    const TaskSet& task(const ExperimentCell& cell) const { return m_tasks[cell.task]; }
    std::size_t items(const ExperimentCell& cell) const { return m_tasks[cell.task].items.size(); }
    std::size_t runCount() const;
    bool has(RunKey key) const { return key.cell < m_cells.size() && key.item < items(m_cells[key.cell]); }
    /// Counts that the load of a run has: MoE layers × experts.
    std::size_t loadCounts() const { return m_load_counts; }
    std::int64_t moeLayers() const { return static_cast<std::int64_t>(m_loaded->facts.moe_layers.size()); }

    /// Runs what is not in `done`, a cell after the other, on the calling thread; `finished` gets each run as it ends.
    /// Returns false when it was stopped: runs under way are given up. Throws Error (the caches do not fit into memory,
    /// or a prompt is longer than the context), and whatever `finished` throws.
    bool run(const std::set<RunKey>& done, const std::function<void(const RunResult&)>& finished, std::stop_token stop);

private:
    struct Batch;
    LaneSettings settingsOf(const ExperimentCell& cell) const;
    void start(Batch& batch, RunKey key) const;
    RunResult resultOf(RunKey key, const RunMeter& meter, const LaneStatus& status, double latency_ms) const;
    bool runCell(std::vector<RunKey> waiting, const std::function<void(const RunResult&)>& finished,
                 const std::stop_token& stop);

    std::shared_ptr<LoadedModel> m_loaded;
    Experiment m_experiment;
    std::vector<TaskSet> m_tasks;
    std::vector<ExperimentCell> m_cells;
    std::int32_t m_slots = 0;
    std::size_t m_load_counts = 0;
};

}  // namespace mixoscope
