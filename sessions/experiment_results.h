// What an experiment's runs say: a row a cell, with intervals and with a paired test against the first policy.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "sessions/experiment_store.h"
#include "sessions/proportion.h"

namespace mixoscope {

/// Mean, median and 90th percentile of the runs' values; NaN without runs.
struct Spread {
    double mean = 0.0;
    double median = 0.0;
    double p90 = 0.0;
};

struct CellResult {
    ExperimentCell cell;
    std::int64_t items = 0;  // of the task
    std::int64_t runs = 0;   // that have finished
    Proportion accuracy;     // of the judged runs
    /// Against the first policy on the same items with everything else equal: items that only the first, and only this
    /// policy, got right, and the exact McNemar test. Absent for the first policy.
    std::optional<std::int64_t> only_baseline;
    std::optional<std::int64_t> only_this;
    std::optional<double> p_value;
    Spread thinking_tokens;
    Spread answer_tokens;
    double ttft_ms = 0.0;  // means; in a batch, beside others
    double tpot_ms = 0.0;
    double latency_ms = 0.0;
    double tokens_per_s = 0.0;          // of the batch: generated rows over the time that their steps took
    double active_experts = 0.0;        // that ran, per generated row and MoE layer
    double prompt_dropped_share = 0.0;  // of the prompts' selections
    double dropped_share = 0.0;         // of the selections
    double virtual_share = 0.0;
    double load_cv = 0.0;           // of the generated rows: mean over the layers
    double load_cv_floor = 0.0;     // what an ideal random router shows over as few rows
    std::int64_t forced_stops = 0;  // blocks that the budget closed
    std::int64_t mode_errors = 0;   // runs that thought where they should not, or the reverse
    std::int64_t leaks = 0;         // runs with a thinking tag where none belongs
    std::int64_t unfinished = 0;    // runs that ended at a limit
};

/// One result a cell, in the order of the cells, also for cells without runs.
std::vector<CellResult> experimentResults(const Sweep& sweep, const ExperimentStore& store);

/// results.csv (a row a cell) and runs.csv (a row a run), with header rows. Throws Error.
void exportResults(const Sweep& sweep, const ExperimentStore& store, const std::filesystem::path& directory);

}  // namespace mixoscope
