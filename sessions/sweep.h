// Runs an experiment: every cell over every item of its task, in batches of lanes. A run's tokens do not depend on what
// runs beside it (batch invariance), so a sweep that was interrupted goes on to the same results. An item is asked, or,
// where it is a window of a text, scored: teacher forcing, a token a step as an answer is decoded.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
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
    RunMeasures measures;  // its nll is NaN where not all of a window could be scored
};

/// Holds a sweep up: runs under way end, no further ones begin. All functions may be called from any thread.
class SweepPause {
public:
    /// `holding` is told on the sweep's thread when nothing runs any more, and when it goes on.
    explicit SweepPause(std::function<void(bool)> holding) : m_holding(std::move(holding)) {}

    void ask(bool pause);
    bool isAsked() const;
    /// For the sweep: returns when it may go on or must stop.
    void wait(const std::stop_token& stop);

private:
    std::function<void(bool)> m_holding;
    mutable std::mutex m_mutex;
    std::condition_variable_any m_changed;
    bool m_asked = false;
};

class Sweep {
public:
    /// Reads the tasks and checks every choice before anything runs. Throws Error: a task file that does not fit, a
    /// policy that is none or cannot run on this model, a mode that the checkpoint does not have, no tokenizer, a
    /// window beyond the context.
    Sweep(std::shared_ptr<LoadedModel> loaded, Experiment experiment);

    const Model& model() const { return m_loaded->model; }
    const std::string& modelDescription() const { return m_loaded->facts.description; }
    const std::string& backendDescription() const { return m_loaded->facts.backend; }
    const Experiment& experiment() const { return m_experiment; }
    const std::vector<ExperimentCell>& cells() const { return m_cells; }
    const std::vector<TaskSet>& tasks() const { return m_tasks; }
    const TaskSet& task(const ExperimentCell& cell) const { return m_tasks[cell.task]; }
    std::size_t items(const ExperimentCell& cell) const { return m_tasks[cell.task].items.size(); }
    std::size_t runCount() const;
    bool has(RunKey key) const { return key.cell < m_cells.size() && key.item < items(m_cells[key.cell]); }
    /// What a lane that runs the cell is set to.
    LaneSettings settingsOf(const ExperimentCell& cell) const;
    /// Counts that the load of a run has: MoE layers × experts.
    std::size_t loadCounts() const { return m_load_counts; }
    std::int64_t moeLayers() const { return static_cast<std::int64_t>(m_loaded->facts.moe_layers.size()); }

    /// Runs what is not in `done`, a cell after the other, on the calling thread; `finished` gets each run as it ends.
    /// Returns false when it was stopped: runs under way are given up. Throws Error (the caches do not fit into memory,
    /// or a prompt is longer than the context), and whatever `finished` throws. `pause` may be null.
    bool run(const std::set<RunKey>& done, const std::function<void(const RunResult&)>& finished, std::stop_token stop,
             SweepPause* pause = nullptr);

private:
    struct Batch;
    /// Throws Error where a batch of one of several sizes could not be filled.
    void requireFullBatches() const;
    void start(Batch& batch, RunKey key) const;
    LaneId ask(Batch& batch, RunKey key) const;
    LaneId score(Batch& batch, RunKey key) const;
    RunResult scoreOf(RunKey key, const RunMeter& meter, const LaneStatus& status, double latency_ms) const;
    RunResult resultOf(RunKey key, const RunMeter& meter, const LaneStatus& status, double latency_ms) const;
    bool runCell(std::vector<RunKey> waiting, const std::function<void(const RunResult&)>& finished,
                 const std::stop_token& stop, SweepPause* pause);

    std::shared_ptr<LoadedModel> m_loaded;
    Experiment m_experiment;
    std::vector<TaskSet> m_tasks;
    std::vector<ExperimentCell> m_cells;
    std::int32_t m_slots = 0;
    std::size_t m_load_counts = 0;
};

}  // namespace mixoscope
