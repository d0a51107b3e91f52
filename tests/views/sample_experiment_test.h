// An experiment with made-up results, for views.
#pragma once

#include <string>
#include <vector>

#include "sessions/experiment_snapshot.h"

namespace mixoscope::test {

struct SampleExperiment {
    std::vector<std::string> policies = {"model", "top-k:k=2", "top-k:k=1"};
    std::vector<ThinkingMode> modes = {ThinkingMode::kThink, ThinkingMode::kNoThink};
    std::vector<std::int32_t> budgets = {0, 16, 64, kUnlimitedBudget};
    std::vector<std::string> tasks = {"sums"};
    std::vector<std::string> texts = {};  // further tasks, that are scored
    std::vector<std::int32_t> lanes = {8};
    std::int64_t items = 40;
    /// Cells from this one on have no runs; the one before has half of them.
    std::size_t unfinished_from = 100'000;
    bool judged = true;
};
/// More budget: more accurate, slower; later policies: less accurate, faster; more runs in a batch: each of them
/// slower, all together faster.
ExperimentPointer sampleExperiment(const SampleExperiment& sample = {});
/// Eight, of which some are as long as policies get.
std::vector<std::string> longPolicyNames();

}  // namespace mixoscope::test
