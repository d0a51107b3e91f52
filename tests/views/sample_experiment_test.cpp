#include "sample_experiment_test.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace mixoscope::test {
namespace {

Experiment experimentOf(const SampleExperiment& sample) {
    Experiment experiment;
    experiment.name = "sample";
    experiment.policies = sample.policies;
    experiment.modes = sample.modes;
    experiment.budgets = sample.budgets;
    experiment.lanes = sample.lanes;
    for (const std::string& task : sample.tasks) {
        experiment.tasks.emplace_back();
        experiment.tasks.back().name = task;
        experiment.tasks.back().file = "/nowhere/" + task + ".jsonl";
    }
    for (const std::string& text : sample.texts) {
        experiment.tasks.emplace_back();
        experiment.tasks.back().name = text;
        experiment.tasks.back().file = "/nowhere/" + text + ".raw";
        experiment.tasks.back().layout = TaskLayout::kText;
    }
    return experiment;
}

RunResult scoreOf(const ExperimentCell& cell, RunKey key) {
    RunResult run;
    run.key = key;
    run.followed_mode = true;
    run.stop_reason = StopReason::kForcedEnd;
    run.measures.scored_tokens = 100;
    run.measures.nll = 100.0 * (2.0 + 0.1 * static_cast<double>(cell.policy)) + static_cast<double>(key.item % 7);
    run.measures.rows = 99;
    run.measures.ran = 99 * 2;
    run.measures.load = {99, 0, 99, 0};
    run.measures.generated_ms = 50.0;
    run.latency_ms = 55.0;
    return run;
}

RunResult runOf(const ExperimentCell& cell, RunKey key, bool judged) {
    const bool thinks = cell.mode == ThinkingMode::kThink;
    const double budget = !thinks ? 0.0 : cell.budget == kUnlimitedBudget ? 128.0 : cell.budget;
    RunResult run;
    run.key = key;
    run.judged = judged;
    const double share = 0.25 + 0.09 * std::log2(1.0 + budget) - 0.08 * static_cast<double>(cell.policy);
    run.correct = judged && static_cast<double>(key.item * 17 % 40) / 40.0 < share;
    run.answer = run.correct ? "The answer is 12." : "The answer is 13.";
    run.followed_mode = true;
    run.thinking_tokens = static_cast<std::int32_t>(std::min(budget, 30.0 + static_cast<double>(key.item * 7 % 60)));
    run.answer_tokens = 8;
    run.stop_reason = StopReason::kEndOfTurn;
    run.measures.rows = run.thinking_tokens + run.answer_tokens;
    const auto chosen = static_cast<std::int64_t>(cell.policy % 4) + 1;
    run.measures.ran = run.measures.rows * 2 * chosen;
    run.measures.load = {static_cast<std::uint32_t>(run.measures.rows * chosen), 0,
                         static_cast<std::uint32_t>(run.measures.rows * chosen), 0};
    const double step = (0.6 + 0.05 * cell.lanes) * (1.0 - 0.08 * static_cast<double>(cell.policy));
    run.measures.generated_ms = static_cast<double>(run.measures.rows) * step * 8.0 / cell.lanes;
    run.measures.prompt_ms = 3.0;
    run.ttft_ms = 3.0;
    run.tpot_ms = step * (1.0 + 0.01 * static_cast<double>(key.item));
    run.latency_ms = 3.0 + run.measures.generated_ms;
    return run;
}

}  // namespace

ExperimentPointer sampleExperiment(const SampleExperiment& sample) {
    ExperimentFacts facts;
    facts.model_description = "2 layers × 2 experts";
    const std::size_t tasks = sample.tasks.size() + sample.texts.size();
    facts.items.assign(tasks, sample.items);
    facts.moe_layers = 2;
    facts.experts = 2;
    facts.expert_bytes = {1000, 1000};
    ExperimentFrame frame = frameOf(experimentOf(sample), facts);
    for (std::size_t task = 0; task < tasks; ++task) {
        TaskSet set;
        for (std::int64_t item = 0; item < sample.items; ++item)
            set.items.push_back({.kind = {}, .prompt = "What is 5 + " + std::to_string(item) + "?", .reference = "12"});
        frame.tasks.push_back(set);
    }
    auto snapshot = std::make_shared<ExperimentSnapshot>();
    snapshot->frame = std::make_shared<const ExperimentFrame>(std::move(frame));
    ExperimentTally tally(snapshot->frame);
    const std::vector<ExperimentCell>& cells = snapshot->frame->cells;
    snapshot->runs.resize(cells.size());
    for (std::size_t cell = 0; cell < cells.size(); ++cell) {
        if (cell >= sample.unfinished_from) continue;
        const std::int64_t count = cell + 1 == sample.unfinished_from ? sample.items / 2 : sample.items;
        auto runs = std::make_shared<CellRuns>();
        for (std::int64_t item = 0; item < count; ++item) {
            const RunKey key{cell, static_cast<std::size_t>(item)};
            const bool text = cells[cell].task >= sample.tasks.size();
            runs->push_back(text ? scoreOf(cells[cell], key) : runOf(cells[cell], key, sample.judged));
            tally.add(runs->back());
            ++snapshot->done;
        }
        snapshot->runs[cell] = runs;
    }
    snapshot->results = tally.results();
    snapshot->total = snapshot->frame->runCount();
    snapshot->state = ExperimentState::kReady;
    return snapshot;
}

std::vector<std::string> longPolicyNames() {
    return {"model",
            "top-k:k=8,phase=thinking+top-k:k=4,phase=answer",
            "top-p:p=0.7,max=16+ban:experts=3-5/17,layers=0-1",
            "any-experts:min=2,max=12,virtual=4",
            "prune:share=0.125,score=frequency,calibration=calibration.json",
            "skip:calibration=calibration.json",
            "bias-balanced:rate=0.001",
            "top-k:k=4,capacity=1.25,drop=score"};
}

}  // namespace mixoscope::test
