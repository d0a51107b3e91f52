// What an experiment's runs say: a row a cell, and a row over all tasks, with intervals and with a paired test against
// the first policy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probes/forced_measures.h"
#include "sessions/experiment_frame.h"
#include "sessions/experiment_store.h"
#include "sessions/proportion.h"

namespace mixoscope {

/// Mean, 10th percentile, median and 90th percentile of the runs' values; NaN without runs.
struct Spread {
    double mean = 0.0;
    double p10 = 0.0;
    double median = 0.0;
    double p90 = 0.0;
};

struct CellResult {
    ExperimentCell cell;
    std::int64_t items = 0;  // of the task; 0: not known
    std::int64_t runs = 0;   // that have finished
    Proportion accuracy;     // of the judged runs; over all tasks each item weighs the same
    /// Against the first policy on the same items with everything else equal: items that only the first, and only this
    /// policy, got right, and the exact McNemar test. Absent for the first policy.
    std::optional<std::int64_t> only_baseline;
    std::optional<std::int64_t> only_this;
    std::optional<double> p_value;
    Spread thinking_tokens;
    Spread answer_tokens;
    double ttft_ms = 0.0;  // means; in a batch, beside others
    Spread tpot_ms;
    double latency_ms = 0.0;
    double tokens_per_s = 0.0;          // of the batch: generated rows over the time that their steps took
    Spread run_tokens_per_s;            // the same of the batch as each run met it
    double active_experts = 0.0;        // that ran, per generated row and MoE layer
    double expert_bytes = 0.0;          // weights of the experts that ran, per generated row
    double prompt_dropped_share = 0.0;  // of the prompts' selections
    double dropped_share = 0.0;         // of the selections
    double virtual_share = 0.0;
    double load_cv = 0.0;           // of the generated rows: mean over the layers
    double load_cv_floor = 0.0;     // what an ideal random router shows over as few rows
    std::int64_t forced_stops = 0;  // blocks that the budget closed
    std::int64_t mode_errors = 0;   // runs that thought where they should not, or the reverse
    std::int64_t leaks = 0;         // runs with a thinking tag where none belongs
    std::int64_t unfinished = 0;    // runs that ended at a limit
    // Of a text: what does not apply to it (accuracy, tests, think and answer lengths, TTFT, TPOT) is absent, and these
    // are NaN for other tasks. The intervals are those of ratioWithInterval over the windows.
    std::int64_t scored_tokens = 0;
    MeanWithInterval perplexity;  // exp(Σ NLL / Σ tokens); NaN where a window could not be scored whole
    /// NLL of a token, nats: this − the first policy, paired by window. NaN for the first policy.
    MeanWithInterval nll_change;
};

/// Where the generated rows of a task's runs under one policy went, over all its modes, budgets, samplings, seeds
/// and batch sizes.
struct TaskLoad {
    std::int64_t rows = 0;
    std::vector<std::int64_t> selections;  // (MoE layers, experts) that ran; empty without runs
};
using TaskLoads = std::vector<std::shared_ptr<const TaskLoad>>;  // (policies, tasks) never null

/// The results so far, run by run: what a sweep under way shows is what its file gives later.
class ExperimentTally {
public:
    explicit ExperimentTally(std::shared_ptr<const ExperimentFrame> frame);
    ~ExperimentTally();
    ExperimentTally(ExperimentTally&&) noexcept;

    /// Throws Error for a run that is none of the frame's: a file that was damaged or changed by hand.
    void add(const RunResult& run);
    /// As ExperimentFrame numbers them, also those without runs.
    const std::vector<CellResult>& results();
    /// Those without new runs are the objects of the last call.
    const TaskLoads& taskLoads();

private:
    struct Gathered;
    void refresh(std::size_t result);
    std::size_t taskLoadOf(std::size_t cell) const;  // index into the TaskLoads

    std::shared_ptr<const ExperimentFrame> m_frame;
    std::vector<Gathered> m_gathered;  // (results)
    std::vector<std::size_t> m_baseline;
    std::vector<bool> m_changed;
    std::vector<CellResult> m_results;
    TaskLoads m_task_loads;  // null: has new runs
};

/// The results of all runs that the store has.
std::vector<CellResult> experimentResults(const Sweep& sweep, const ExperimentStore& store);

/// results.csv as text: a row a result.
std::string resultsCsv(const Experiment& experiment, const std::vector<CellResult>& results);

/// results.csv (a row a result), runs.csv (a row a run) and task_load.csv (a row a policy, task, layer and expert),
/// with header rows, and for each cell of HumanEval, where its file can be read, a file of sampleFileNames() with the
/// completions of its runs. Throws Error.
void exportResults(const Sweep& sweep, const ExperimentStore& store, const std::filesystem::path& directory);

/// The same of runs that are at hand; `for_runs` calls what it is given with each, by cell and item.
void exportResults(const ExperimentFrame& frame, const std::vector<CellResult>& results, const TaskLoads& loads,
                   const std::function<void(const std::function<void(const RunResult&)>&)>& for_runs,
                   const std::filesystem::path& directory);

}  // namespace mixoscope
