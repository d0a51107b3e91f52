// Experiments as the window runs them: held, stopped and gone on with, they end as a sweep that was left alone.
#include "sessions/experiment_runner.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "sessions/csv_reader.h"
#include "sessions/experiment_results.h"
#include "sessions/experiment_store.h"
#include "sessions/loaded_model.h"
#include "sessions/session_name.h"
#include "sessions/sweep.h"
#include "support/read_only_directory.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;

class ExperimentRunnerTest : public testing::Test {
protected:
    ExperimentRunnerTest() {
        std::filesystem::create_directory(directory / "model");
        test::writeTinyModel(directory / "model", {.seed = 5});
        std::ofstream tasks(directory / "t.jsonl");
        for (int i = 0; i < 8; ++i)
            tasks << json{{"prompt", "question " + std::to_string(i)}, {"answer", "x"}}.dump() << '\n';
        experiment = {{"model", (directory / "model").string()},
                      {"tasks", {{{"file", "t.jsonl"}}}},
                      {"policies", {"model", "top-k:k=1"}},
                      {"budgets", {5, "unlimited"}},
                      {"max_tokens", 60},
                      {"lanes", 2}};
        write();
    }
    void write() { std::ofstream(directory / "e.json") << experiment.dump(); }
    std::unique_ptr<ExperimentRunner> makeRunner() const {
        WorkbenchOptions options;
        options.threads = 1;
        return std::make_unique<ExperimentRunner>(options, directory / "kept");
    }
    static bool waitFor(const ExperimentRunner& runner, const std::function<bool(const ExperimentSnapshot&)>& done) {
        for (int waited = 0; waited < 60'000; ++waited) {
            if (done(*runner.snapshot())) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }
    static std::int64_t doneIn(const ExperimentRunner& runner) { return runner.snapshot()->done; }
    /// The table without what the clock decides.
    static std::vector<std::vector<std::string>> withoutTimes(const std::string& csv) {
        auto rows = readCsv(csv, "results");
        std::vector<std::size_t> times;
        for (std::size_t column = 0; column < rows.front().size(); ++column) {
            if (rows.front()[column].ends_with("_ms") || rows.front()[column].starts_with("tokens_per_s"))
                times.push_back(column);
        }
        for (auto& row : rows) {
            for (const std::size_t column : times) row[column].clear();
        }
        return rows;
    }
    static std::vector<std::vector<std::string>> table(const ExperimentSnapshot& snapshot) {
        return withoutTimes(resultsCsv(snapshot.frame->experiment, snapshot.results));
    }
    /// Who reads there must be able to get there.
    test::ReadOnlyDirectory letNobodyWrite(const std::filesystem::path& folder) const {
        using std::filesystem::perms;
        std::filesystem::permissions(directory.path(), perms::group_exec | perms::others_exec,
                                     std::filesystem::perm_options::add);
        return test::ReadOnlyDirectory(folder);
    }
    /// As `mixoscope sweep` makes it.
    std::vector<std::vector<std::string>> sweptTable() const {
        const auto loaded = loadModel((directory / "model").string(), {}, [](std::string_view) {});
        Sweep sweep(loaded, readExperiment(directory / "e.json"));
        ExperimentStore store = ExperimentStore::create(directory / "swept.mixo", identityOf(sweep), factsOf(sweep));
        EXPECT_TRUE(sweep.run({}, [&](const RunResult& run) { store.add(run); }, {}));
        store.commit();
        return withoutTimes(resultsCsv(sweep.experiment(), experimentResults(sweep, store)));
    }

    test::TemporaryDirectory directory;
    json experiment;
};

TEST_F(ExperimentRunnerTest, EndsWithTheTableOfTheSweep) {
    const auto runner = makeRunner();
    runner->open(directory / "e.json");
    runner->run();
    runner->waitIdle();
    const auto shown = runner->snapshot();
    ASSERT_FALSE(shown->error.has_value()) << Error(*shown->error).what();
    EXPECT_EQ(shown->state, ExperimentState::kReady);
    EXPECT_TRUE(shown->isComplete());
    EXPECT_EQ(shown->total, 4 * 8);
    EXPECT_EQ(table(*shown), sweptTable());
    for (const auto& runs : shown->runs) {
        ASSERT_NE(runs, nullptr);
        ASSERT_EQ(runs->size(), 8U);
        for (std::size_t item = 0; item < 8; ++item) EXPECT_EQ((*runs)[item].key.item, item);
    }
    // Weights of top-1 are half of those of top-2, the model's own rule.
    EXPECT_DOUBLE_EQ(shown->results[0].expert_bytes, 2.0 * shown->results[2].expert_bytes);
    EXPECT_GT(shown->results[2].expert_bytes, 0.0);
}

TEST_F(ExperimentRunnerTest, LoadsOfTasksAreSumsOverTheRunsInTheFile) {
    std::ofstream(directory / "u.jsonl") << json{{"prompt", "another"}, {"answer", "x"}}.dump() << '\n';
    experiment["tasks"].push_back({{"file", "u.jsonl"}});
    write();
    const auto runner = makeRunner();
    runner->open(directory / "e.json");
    runner->run();
    runner->waitIdle();
    const auto shown = runner->snapshot();
    ASSERT_TRUE(shown->isComplete());

    std::vector<TaskLoad> expected(2 * 2);  // (policies, tasks)
    ExperimentStore::open(shown->store).forRuns([&](const RunResult& run) {
        const ExperimentCell& cell = shown->frame->cells[run.key.cell];
        TaskLoad& load = expected[cell.policy * 2 + cell.task];
        load.rows += run.measures.rows;
        load.selections.resize(run.measures.load.size());
        for (std::size_t i = 0; i < load.selections.size(); ++i) load.selections[i] += run.measures.load[i];
    });
    ASSERT_EQ(shown->task_loads.size(), expected.size());
    const ExperimentFacts& facts = shown->frame->facts;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(shown->task_loads[i]->rows, expected[i].rows);
        EXPECT_EQ(shown->task_loads[i]->selections, expected[i].selections);
        EXPECT_GT(expected[i].rows, 0);
        // The tiny model chooses two experts a row and layer; the second policy one.
        const std::int64_t all =
            std::accumulate(expected[i].selections.begin(), expected[i].selections.end(), std::int64_t{0});
        EXPECT_EQ(all, expected[i].rows * facts.moe_layers * (i < 2 ? 2 : 1));
    }
    EXPECT_NE(expected[0].selections, expected[1].selections);
}

TEST_F(ExperimentRunnerTest, HoldsAfterTheRunsUnderWayAndGoesOn) {
    experiment["max_tokens"] = 300;
    write();
    const auto runner = makeRunner();
    runner->open(directory / "e.json");
    runner->run();
    ASSERT_TRUE(waitFor(*runner, [](const auto& s) { return s.state == ExperimentState::kRunning; }));
    runner->pause();
    ASSERT_TRUE(waitFor(*runner, [](const auto& s) { return s.state == ExperimentState::kPaused; }));
    const std::int64_t held = doneIn(*runner);
    ASSERT_LT(held, runner->snapshot()->total) << "the pause came too late to be one";
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(doneIn(*runner), held);
    EXPECT_EQ(ExperimentStore::open(runner->snapshot()->store).identity().experiment_json,
              experimentJson(runner->snapshot()->frame->experiment));
    runner->run();
    runner->waitIdle();
    EXPECT_TRUE(runner->snapshot()->isComplete());
    EXPECT_EQ(table(*runner->snapshot()), sweptTable());
}

TEST_F(ExperimentRunnerTest, GoesOnWhereItWasStoppedAlsoInAnotherProgram) {
    experiment["max_tokens"] = 300;
    write();
    std::int64_t kept = 0;
    {
        const auto runner = makeRunner();
        runner->open(directory / "e.json");
        runner->run();
        ASSERT_TRUE(waitFor(*runner, [](const auto& s) { return s.done >= 3; }));
        runner->stop();
        runner->waitIdle();
        kept = doneIn(*runner);
        EXPECT_EQ(runner->snapshot()->state, ExperimentState::kReady);
        ASSERT_LT(kept, runner->snapshot()->total) << "the stop came too late to be one";
    }
    const auto again = makeRunner();
    again->open(directory / "e.json");
    again->waitIdle();
    EXPECT_EQ(doneIn(*again), kept) << "nothing was lost and nothing was begun";
    again->run();
    again->waitIdle();
    EXPECT_EQ(doneIn(*again), again->snapshot()->total);
    again->run();  // nothing is left to do, and no stretch to be noted
    again->waitIdle();
    const auto stretches = again->snapshot()->stretches;
    ASSERT_EQ(stretches.size(), 2U);
    EXPECT_EQ(stretches.back().backend, again->snapshot()->model->backend);
    EXPECT_GT(utcSeconds(stretches.front().begun), 0);
    EXPECT_LE(utcSeconds(stretches.front().begun), utcSeconds(stretches.back().begun));
    const ExperimentPointer read = readExperimentResults(again->snapshot()->store);
    ASSERT_EQ(read->stretches.size(), 2U);
    EXPECT_EQ(read->stretches.back().program, stretches.back().program);
    EXPECT_EQ(read->identity.model_hash, again->snapshot()->identity.model_hash);
    EXPECT_EQ(table(*read), table(*again->snapshot()));
    EXPECT_TRUE(read->isComplete());
    EXPECT_EQ(table(*again->snapshot()), sweptTable());
}

TEST_F(ExperimentRunnerTest, ResultsAreReadWhereModelAndTasksAreNot) {
    std::filesystem::path store;
    std::vector<std::vector<std::string>> before;
    {
        const auto runner = makeRunner();
        runner->open(directory / "e.json");
        runner->run();
        runner->waitIdle();
        store = runner->snapshot()->store;
        before = table(*runner->snapshot());
    }
    std::filesystem::remove_all(directory / "model");
    std::filesystem::remove(directory / "t.jsonl");
    const auto reader = makeRunner();
    reader->open(store);
    reader->waitIdle();
    const auto shown = reader->snapshot();
    ASSERT_NE(shown->frame, nullptr);
    ASSERT_TRUE(shown->unusable.has_value());
    EXPECT_NE(shown->unusable->where.find("model"), std::string::npos) << Error(*shown->unusable).what();
    EXPECT_EQ(table(*shown), before);
    EXPECT_TRUE(shown->isComplete());
    reader->run();
    reader->waitIdle();
    EXPECT_EQ(reader->snapshot()->state, ExperimentState::kReady);
}

TEST_F(ExperimentRunnerTest, ResultsAreReadWhereNothingMayBeWritten) {
    std::ofstream tasks(directory / "t.jsonl");  // so many that a stop comes in time
    for (int i = 0; i < 2000; ++i)
        tasks << json{{"prompt", "question " + std::to_string(i)}, {"answer", "x"}}.dump() << '\n';
    tasks.close();
    const auto runner = makeRunner();
    runner->open(directory / "e.json");
    runner->run();
    ASSERT_TRUE(waitFor(*runner, [](const auto& s) { return s.done >= 3; }));
    runner->stop();
    runner->waitIdle();
    const ExperimentPointer before = runner->snapshot();
    ASSERT_FALSE(before->isComplete()) << "the stop came too late to be one";
    const test::ReadOnlyDirectory read_only = letNobodyWrite(before->store.parent_path());
    EXPECT_TRUE(holdsExperiment(before->store));
    const auto reader = makeRunner();
    reader->open(before->store);
    reader->waitIdle();
    const ExperimentPointer shown = reader->snapshot();
    ASSERT_FALSE(shown->error.has_value()) << Error(*shown->error).what();
    EXPECT_FALSE(shown->unusable.has_value()) << Error(*shown->unusable).what();
    EXPECT_EQ(table(*shown), table(*before));
    reader->run();
    reader->waitIdle();
    ASSERT_TRUE(reader->snapshot()->error.has_value());
    EXPECT_EQ(reader->snapshot()->error->what, "The experiment can be read, but not gone on with");
    EXPECT_EQ(doneIn(*reader), before->done);
}

TEST_F(ExperimentRunnerTest, ResultsOfAKilledSweepAreReadWhereNothingMayBeWritten) {
    const auto loaded = loadModel((directory / "model").string(), {}, [](std::string_view) {});
    Sweep sweep(loaded, readExperiment(directory / "e.json"));
    ExperimentStore store = ExperimentStore::create(directory / "swept.mixo", identityOf(sweep), factsOf(sweep));
    EXPECT_TRUE(sweep.run({}, [&](const RunResult& run) { store.add(run); }, {}));
    store.commit();
    // What a kill leaves: a log that was not brought into the file.
    std::filesystem::create_directory(directory / "medium");
    for (const char* name : {"swept.mixo", "swept.mixo-wal"})
        std::filesystem::copy_file(directory / name, directory / "medium" / name);
    const std::filesystem::path file = directory / "medium" / "swept.mixo";
    const test::ReadOnlyDirectory read_only = letNobodyWrite(directory / "medium");
    EXPECT_EQ(ExperimentStore::open(file).done(), store.done());
}

TEST_F(ExperimentRunnerTest, AnotherExperimentOfTheSameNameHasAFileOfItsOwn) {
    const auto runner = makeRunner();
    const auto runs = [&] {
        runner->open(directory / "e.json");
        runner->run();
        runner->waitIdle();
        return runner->snapshot()->store;
    };
    EXPECT_EQ(runs(), directory / "kept" / "e" / "experiment.mixo");
    experiment["max_tokens"] = 61;
    write();
    EXPECT_EQ(runs(), directory / "kept" / "e-2" / "experiment.mixo");
    experiment["max_tokens"] = 60;
    write();
    EXPECT_EQ(runs(), directory / "kept" / "e" / "experiment.mixo");
    EXPECT_TRUE(holdsExperiment(directory / "kept" / "e" / "experiment.mixo"));
    EXPECT_FALSE(holdsExperiment(directory / "e.json"));
}

TEST_F(ExperimentRunnerTest, ResultsOverAllTasksCountEveryItemOnce) {
    std::ofstream(directory / "few.jsonl") << R"({"prompt": "one", "answer": "x"})" << '\n'
                                           << R"({"prompt": "two", "answer": "x"})" << '\n'
                                           << R"({"prompt": "three", "answer": "x"})" << '\n';
    experiment["tasks"] = {{{"file", "t.jsonl"}}, {{"file", "few.jsonl"}}};
    experiment["lanes"] = {1, 2};
    write();
    const Experiment asked = readExperiment(directory / "e.json");
    const ExperimentFacts facts{.model_description = {}, .items = {8, 3}};
    const auto frame = std::make_shared<const ExperimentFrame>(frameOf(asked, facts));
    ASSERT_EQ(frame->cells.size(), 2U * 8U);
    ASSERT_EQ(frame->resultCount(), 3U * 8U);
    ExperimentTally tally(frame);
    // Items of the first task that each policy gets right: 0 to 5 and 0 to 2; of the second: none and 0.
    for (std::size_t cell = 0; cell < frame->cells.size(); ++cell) {
        const ExperimentCell& choice = frame->cells[cell];
        for (std::size_t item = 0; item < (choice.task == 0 ? 8U : 3U); ++item) {
            RunResult run;
            run.key = {cell, item};
            run.judged = true;
            run.correct = choice.task == 0 ? item < (choice.policy == 0 ? 6U : 3U) : choice.policy == 1 && item == 0;
            run.tpot_ms = static_cast<double>(item + 1);
            run.measures.rows = 10;
            run.measures.generated_ms = 5.0 * static_cast<double>(item + 1);
            tally.add(run);
        }
    }
    for (std::size_t index = 0; index < 8; ++index) {
        const CellResult& pooled = tally.results()[frame->cells.size() + index];
        EXPECT_EQ(pooled.cell.task, ExperimentCell::kAllTasks);
        EXPECT_EQ(taskName(asked, pooled.cell), "all tasks");
        EXPECT_EQ(frame->find(pooled.cell), frame->cells.size() + index);
        EXPECT_EQ(frame->cellsOf(frame->cells.size() + index), (std::vector<std::size_t>{index, index + 8}));
        EXPECT_EQ(pooled.items, 11);
        EXPECT_EQ(pooled.runs, 11);
        const Proportion expected = wilsonInterval(pooled.cell.policy == 0 ? 6 : 4, 11);
        EXPECT_EQ(pooled.accuracy.successes, expected.successes);
        EXPECT_EQ(pooled.accuracy.trials, 11);
        EXPECT_DOUBLE_EQ(pooled.accuracy.low, expected.low);
        EXPECT_DOUBLE_EQ(pooled.accuracy.high, expected.high);
        EXPECT_DOUBLE_EQ(pooled.tokens_per_s, 1000.0 * 110.0 / (5.0 * (36.0 + 6.0)));
        if (pooled.cell.policy == 0) {
            EXPECT_FALSE(pooled.p_value.has_value());
            continue;
        }
        EXPECT_EQ(pooled.only_baseline, 3) << "items 3 to 5 of the first task";
        EXPECT_EQ(pooled.only_this, 1) << "item 0 of the second task, not that of the first";
        EXPECT_DOUBLE_EQ(*pooled.p_value, mcNemarTest(3, 1));
    }
    const CellResult& first = tally.results().front();
    EXPECT_DOUBLE_EQ(first.tpot_ms.mean, 4.5);
    EXPECT_DOUBLE_EQ(first.tpot_ms.p10, 1.0);
    EXPECT_DOUBLE_EQ(first.tpot_ms.median, 4.0);
    EXPECT_DOUBLE_EQ(first.tpot_ms.p90, 8.0);
    EXPECT_DOUBLE_EQ(first.run_tokens_per_s.p90, 2000.0);
    const auto rows = readCsv(resultsCsv(asked, tally.results()), "results");
    ASSERT_EQ(rows.size(), 1U + 24U);
    EXPECT_EQ(rows.back()[0], "all tasks");
    EXPECT_EQ(rows[0][6], "lanes");
    EXPECT_EQ(rows.back()[6], "2");
    EXPECT_EQ(rows[0].size(), rows.back().size());
}

TEST_F(ExperimentRunnerTest, ATextIsInNoResultOverAllTasks) {
    experiment["tasks"] = {
        {{"file", "a.raw"}, {"layout", "text"}}, {{"file", "t.jsonl"}}, {{"file", "u.raw"}, {"layout", "text"}}};
    experiment["lanes"] = {1, 2};
    write();
    const ExperimentFrame one = frameOf(readExperiment(directory / "e.json"), {});
    EXPECT_FALSE(one.poolsTasks());
    EXPECT_EQ(one.resultCount(), one.cells.size()) << "one task is asked";

    experiment["tasks"].push_back({{"file", "few.jsonl"}});
    write();
    const ExperimentFacts facts{.model_description = {}, .items = {5, 8, 0, 3}, .moe_layers = 1, .experts = 2};
    const auto frame = std::make_shared<const ExperimentFrame>(frameOf(readExperiment(directory / "e.json"), facts));
    ASSERT_EQ(frame->cells.size(), 4U + 8U + 4U + 8U) << "of a text policies × batch sizes";
    ASSERT_EQ(frame->resultCount(), frame->cells.size() + 8U);
    ExperimentTally tally(frame);
    for (std::size_t cell = 0; cell < frame->cells.size(); ++cell) {
        const auto task = frame->cells[cell].task;
        const bool text = task == 0 || task == 2;
        for (std::size_t item = 0; item < (task == 1 ? 8U : task == 3 ? 3U : 5U); ++item) {
            RunResult run;
            run.key = {cell, item};
            run.judged = run.correct = !text;
            run.ttft_ms = text ? 0.0 : 6.0;
            run.measures.rows = text ? 100 : 10;
            run.measures.load = {text ? 100U : 10U, 0};
            run.measures.scored_tokens = text ? 101 : 0;
            run.measures.nll = text ? 202.0 + static_cast<double>(frame->cells[cell].policy) : 0.0;
            tally.add(run);
        }
    }
    for (std::size_t index = 0; index < 8; ++index) {
        const std::size_t at = frame->cells.size() + index;
        const CellResult& pooled = tally.results()[at];
        EXPECT_EQ(frame->cellsOf(at), (std::vector<std::size_t>{4 + index, 16 + index}));
        EXPECT_EQ(frame->find(pooled.cell), at);
        EXPECT_EQ(pooled.cell.lanes, index % 2 == 0 ? 1 : 2);
        EXPECT_EQ(pooled.items, 11) << "how many windows the other text has need not be known";
        EXPECT_EQ(pooled.runs, 11);
        EXPECT_EQ(pooled.accuracy.trials, 11);
        EXPECT_DOUBLE_EQ(pooled.ttft_ms, 6.0);
        EXPECT_TRUE(std::isnan(pooled.perplexity.mean));
        EXPECT_EQ(pooled.scored_tokens, 0);
        EXPECT_DOUBLE_EQ(pooled.load_cv_floor, tally.results()[4 + index].load_cv_floor * std::sqrt(80.0 / 110.0))
            << "of the rows of the tasks that are asked";
    }
    for (const std::size_t cell : {std::size_t{2}, std::size_t{3}}) {
        const CellResult& text = tally.results()[cell];
        EXPECT_EQ(text.cell.lanes, cell == 2 ? 1 : 2);
        EXPECT_DOUBLE_EQ(text.nll_change.mean, 1.0 / 101.0) << "against the batch of the same size";
    }
    const TaskLoads& loads = tally.taskLoads();
    ASSERT_EQ(loads.size(), 2U * 4U);
    for (std::size_t policy = 0; policy < 2; ++policy) {
        EXPECT_EQ(loads[policy * 4]->rows, 5 * 2 * 100) << "windows, batch sizes, rows";
        EXPECT_EQ(loads[policy * 4 + 1]->rows, 8 * 2 * 2 * 10) << "items, budgets, batch sizes, rows: each once";
        EXPECT_EQ(loads[policy * 4 + 3]->rows, 3 * 2 * 2 * 10);
        EXPECT_EQ(loads[policy * 4 + 1]->selections, (std::vector<std::int64_t>{320, 0}));
    }
    const auto rows = readCsv(resultsCsv(frame->experiment, tally.results()), "results");
    ASSERT_EQ(rows.size(), 1U + frame->resultCount());
    EXPECT_EQ((std::vector<std::string>(rows[2].begin(), rows[2].begin() + 7)),
              (std::vector<std::string>{"a", "model", "", "", "", "", "2"}))
        << "of a text the batch size is told";
    EXPECT_EQ(rows.back()[0], "all tasks");
    EXPECT_EQ(rows[0].size(), rows[2].size());
}

TEST_F(ExperimentRunnerTest, BatchesOfAnySizeGiveTheSameAnswersAndMustBeFull) {
    experiment["lanes"] = {1, 4, 8};
    experiment["budgets"] = {5};
    write();
    const auto runner = makeRunner();
    runner->open(directory / "e.json");
    runner->run();
    runner->waitIdle();
    const ExperimentPointer shown = runner->snapshot();
    ASSERT_FALSE(shown->error.has_value()) << Error(*shown->error).what();
    ASSERT_TRUE(shown->isComplete());
    ASSERT_EQ(shown->runs.size(), 6U);
    for (std::size_t cell = 0; cell < 6; ++cell) {
        const CellRuns& alone = *shown->runs[cell / 3 * 3];
        for (std::size_t item = 0; item < 8; ++item)
            EXPECT_EQ((*shown->runs[cell])[item].answer, alone[item].answer) << cell << ' ' << item;
    }
    // How many runs stand side by side: the time that they wait for their answers against that which the batch takes.
    const auto beside = [&](std::size_t cell) {
        double waited = 0.0;
        double taken = 0.0;
        for (const RunResult& run : *shown->runs[cell]) {
            waited += run.latency_ms;
            taken += run.measures.prompt_ms + run.measures.generated_ms;
        }
        return waited / taken;
    };
    EXPECT_GT(beside(1), 1.5 * beside(0));
    EXPECT_GT(beside(2), 1.3 * beside(1));
    experiment["lanes"] = {1, 9};
    write();
    runner->open(directory / "e.json");
    runner->waitIdle();
    ASSERT_TRUE(runner->snapshot()->unusable.has_value());
    EXPECT_NE(std::string(Error(*runner->snapshot()->unusable).what()).find("field lanes"), std::string::npos);
    EXPECT_EQ(runner->snapshot()->unusable->found, "8 items");
}

TEST_F(ExperimentRunnerTest, WhatCannotBeRunIsShownWithTheReason) {
    experiment["policies"] = {"model", "nonsense"};
    write();
    const auto runner = makeRunner();
    runner->open(directory / "e.json");
    runner->waitIdle();
    const auto shown = runner->snapshot();
    ASSERT_TRUE(shown->unusable.has_value());
    EXPECT_NE(std::string(Error(*shown->unusable).what()).find("nonsense"), std::string::npos);
    ASSERT_NE(shown->frame, nullptr) << "so that it can be put right";
    EXPECT_EQ(shown->frame->experiment.policies.back(), "nonsense");
    runner->open(directory / "gone.json");
    runner->waitIdle();
    EXPECT_EQ(runner->snapshot()->frame, nullptr);
    EXPECT_TRUE(runner->snapshot()->error.has_value());
}

}  // namespace
}  // namespace mixoscope
