// What views show of an experiment: immutable, published by the ExperimentRunner or read from a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "sessions/experiment_frame.h"
#include "sessions/experiment_results.h"
#include "sessions/experiment_store.h"
#include "sessions/workbench.h"

namespace mixoscope {

enum class ExperimentState : std::uint8_t {
    kNone,     // no experiment was opened, or the last one could not be
    kOpening,  // model, tasks and earlier results are being read
    kReady,    // nothing runs
    kRunning,
    kPausing,   // runs under way end
    kPaused,    // nothing runs; the model stays as it is
    kStopping,  // the step under way ends
};

struct ExperimentSnapshot {
    std::uint64_t serial = 0;  // changes with every publication
    ExperimentState state = ExperimentState::kNone;
    std::filesystem::path file;                    // as it was asked for: an experiment file or its results
    std::filesystem::path store;                   // where the runs are kept, once there are any
    std::shared_ptr<const ExperimentFrame> frame;  // null: no experiment
    ExperimentIdentity identity;                   // empty texts: not known
    std::vector<ExperimentStretch> stretches;      // in which the runs were made, as far as the file tells
    std::shared_ptr<const ModelFacts> model;       // null: it is not open
    std::shared_ptr<const std::vector<LaneSettings>> settings;  // (cells) of a run's lane; null: no model
    std::vector<CellResult> results;                            // (cells)
    std::vector<std::shared_ptr<const CellRuns>> runs;          // (cells) null: none
    TaskLoads task_loads;                                       // (policies, tasks)
    std::int64_t done = 0;                                      // runs that have finished
    std::int64_t total = 0;                                     // 0: not known
    std::optional<std::size_t> cell;                            // of the run that finished last, while it runs
    double elapsed_s = 0.0;                                     // since it was started, pauses left out
    double left_s = std::numeric_limits<double>::quiet_NaN();   // NaN: nothing was measured since it was started
    /// Time that a run took of the batch's, mean over all runs that there are; NaN: none.
    double run_ms = std::numeric_limits<double>::quiet_NaN();
    std::optional<ErrorParts> error;     // of the last opening or running
    std::optional<ErrorParts> unusable;  // why what is shown cannot be run or continued

    bool isRunning() const { return state >= ExperimentState::kRunning; }
    bool isComplete() const { return total > 0 && done >= total; }
};
using ExperimentPointer = std::shared_ptr<const ExperimentSnapshot>;

/// The results that a file holds; neither its model nor its tasks are looked for. Throws Error.
ExperimentPointer readExperimentResults(const std::filesystem::path& file);

}  // namespace mixoscope
