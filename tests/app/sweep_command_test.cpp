// `mixoscope sweep`: its results against turns run one by one, going on after a stop, and what it refuses.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "app/run_program_test.h"
#include "engine/error.h"
#include "sessions/csv_reader.h"
#include "sessions/experiment_store.h"
#include "sessions/human_eval.h"
#include "sessions/task_set.h"
#include "support/paths.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class SweepCommand : public testing::Test {
protected:
    SweepCommand() {
        std::filesystem::create_directory(directory / "model");
        test::writeTinyModel(directory / "model", {.seed = 5});
        std::ofstream tasks(directory / "t.jsonl");
        for (int i = 0; i < 6; ++i)
            tasks << json{{"prompt", "question " + std::to_string(i)}, {"answer", "x"}}.dump() << '\n';
        experiment = {{"model", file("model")},
                      {"tasks", {{{"file", "t.jsonl"}}}},
                      {"policies", {"model", "top-k:k=1", "top-k:k=1,capacity=1"}},
                      {"modes", {"think", "no_think"}},
                      {"budgets", {0, 5, "unlimited"}},
                      {"max_tokens", 24},
                      {"lanes", 4}};
        write();
    }
    std::string file(const std::string& name) const { return (directory / name).string(); }
    void write() { std::ofstream(directory / "e.json") << experiment.dump(); }
    ProgramResult sweep(const std::string& out, std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"sweep", file("e.json"), "--out", file(out)});
        return runProgramWith(more);
    }
    /// The table without what the clock decides, by column name.
    std::vector<std::map<std::string, std::string>> table(const std::string& name) const {
        std::ifstream stream(directory / name, std::ios::binary);
        std::ostringstream text;
        text << stream.rdbuf();
        const auto records = readCsv(text.str(), name);
        std::vector<std::map<std::string, std::string>> rows;
        for (std::size_t row = 1; row < records.size(); ++row) {
            rows.emplace_back();
            for (std::size_t column = 0; column < records[row].size(); ++column) {
                const std::string& header = records[0][column];
                if (!header.ends_with("_ms") && !header.starts_with("tokens_per_s"))
                    rows.back()[header] = records[row][column];
            }
        }
        return rows;
    }

    void writeText(std::size_t size) const {
        std::string text;
        for (std::size_t i = 0; text.size() < size; ++i) text += "line " + std::to_string(i * i) + "\n";
        std::ofstream(directory / "t.raw", std::ios::binary) << text.substr(0, size);
    }
    /// Whatever is killed on the way, the experiment ends as it does unbroken.
    void expectSameAfterKills() const {
        ASSERT_EQ(sweep("whole").status, 0);
        const std::size_t all = table("whole/runs.csv").size();
        const auto committed = [&]() -> std::size_t {
            try {
                return ExperimentStore::open(directory / "cut" / "experiment.mixo").done().size();
            } catch (const Error&) {
                return 0;  // not there yet, or without its tables
            }
        };
        int interrupted = 0;
        for (int kill_number = 0; kill_number < 3; ++kill_number) {
            const std::size_t before = committed();
            const pid_t child = fork();
            ASSERT_GE(child, 0);
            if (child == 0) {
                const std::string program = test::programPath().string();
                const std::string out = file("cut");
                if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
                execl(program.c_str(), program.c_str(), "sweep", file("e.json").c_str(), "--out", out.c_str(),
                      "--resume", nullptr);
                _exit(127);
            }
            bool ended = false;
            for (int waited = 0; waited < 6000 && !ended && committed() <= before; ++waited) {
                usleep(5000);
                ended = waitpid(child, nullptr, WNOHANG) != 0;
            }
            if (ended) continue;
            kill(child, SIGKILL);
            waitpid(child, nullptr, 0);
            const std::size_t after = committed();
            EXPECT_GE(after, before);
            interrupted += after > before && after < all ? 1 : 0;
        }
        EXPECT_GE(interrupted, 1) << "no kill fell into the middle";
        const ProgramResult rest = sweep("cut", {"--resume"});
        ASSERT_EQ(rest.status, 0) << rest.err;
        EXPECT_EQ(table("cut/runs.csv"), table("whole/runs.csv"));
        EXPECT_EQ(table("cut/results.csv"), table("whole/results.csv"));
    }

    test::TemporaryDirectory directory;
    json experiment;
};

TEST_F(SweepCommand, RunsEqualTurnsThatRunAlone) {
    ASSERT_EQ(sweep("out").status, 0);
    const auto runs = table("out/runs.csv");
    ASSERT_EQ(runs.size(), 3U * 4U * 6U);
    for (const auto& run : runs) {
        if (run.at("item") != "2" && run.at("item") != "5") continue;
        const ProgramResult alone = runProgramWith(
            {"generate", "--model", file("model"), "--prompt", "question " + run.at("item"), "--mode", run.at("mode"),
             "--budget", run.at("budget"), "--policy", run.at("policy"), "--greedy", "--max-tokens", "24", "--json"});
        ASSERT_EQ(alone.status, 0) << alone.err;
        const json summary = alone.jsonLines().back()["summary"];
        for (const char* field : {"prompt_tokens", "thinking_tokens", "answer_tokens", "injected_tokens"})
            EXPECT_EQ(run.at(field), summary[field].dump())
                << field << ' ' << run.at("policy") << ' ' << run.at("budget");
        EXPECT_EQ(run.at("stop_reason"), summary["stop_reason"]);
    }
}

TEST_F(SweepCommand, LoadsOfTasksHoldEveryActiveExpert) {
    ASSERT_EQ(sweep("out").status, 0);
    std::map<std::string, std::int64_t> selections;  // by policy
    std::map<std::string, std::int64_t> rows;
    std::map<std::string, std::set<std::string>> layers;
    for (const auto& load : table("out/task_load.csv")) {
        selections[load.at("policy")] += std::stoll(load.at("selections"));
        rows[load.at("policy")] = std::stoll(load.at("rows"));
        layers[load.at("policy")].insert(load.at("moe_layer"));
        EXPECT_DOUBLE_EQ(std::stod(load.at("share")), std::stod(load.at("selections")) / std::stod(load.at("rows")));
    }
    ASSERT_EQ(selections.size(), 3U);
    // Active experts of a cell are means over its rows, so weighted by them they are those of the policy.
    for (const auto& [policy, count] : selections) {
        double least = 1e9;
        double most = 0.0;
        for (const auto& result : table("out/results.csv")) {
            if (result.at("policy") != policy) continue;
            least = std::min(least, std::stod(result.at("active_experts")));
            most = std::max(most, std::stod(result.at("active_experts")));
        }
        const double active =
            static_cast<double>(count) / static_cast<double>(rows[policy]) / static_cast<double>(layers[policy].size());
        EXPECT_GE(active, least - 1e-9) << policy;
        EXPECT_LE(active, most + 1e-9) << policy;
    }
}

TEST_F(SweepCommand, AnExperimentIsNotTakenForADamagedConversation) {
    experiment["policies"] = {"model"};
    write();
    ASSERT_EQ(sweep("out").status, 0);
    const ProgramResult result = runProgramWith({"export", file("out/experiment.mixo"), "--csv", file("csv")});
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find("This file holds an experiment, not a conversation"), std::string::npos) << result.err;
}

#if __has_include(<QApplication>)  // the build has a window
TEST_F(SweepCommand, AReportIsMadeOfTheResultsAloneAndWithoutADisplay) {
    ASSERT_EQ(sweep("out").status, 0);
    const std::string hash = ExperimentStore::open(directory / "out/experiment.mixo").identity().model_hash;
    ASSERT_FALSE(hash.empty());
    std::filesystem::remove_all(directory / "model");
    std::filesystem::remove(directory / "t.jsonl");
    const auto report = [&](const std::string& from, const std::string& to) {
        // A process of its own: there is one QApplication in each.
        const std::string command = "env -u QT_QPA_PLATFORM -u DISPLAY -u WAYLAND_DISPLAY -u XDG_RUNTIME_DIR " +
                                    test::programPath().string() + " export " + file(from) + " --html " + file(to) +
                                    " >/dev/null 2>" + file("errors");
        const int status = std::system(command.c_str());
        std::ifstream errors(directory / "errors");
        return std::pair(WEXITSTATUS(status), std::string(std::istreambuf_iterator<char>(errors), {}));
    };
    EXPECT_EQ(report("out/experiment.mixo", "report.html"), std::pair(0, std::string()));
    std::ifstream stream(directory / "report.html");
    const std::string html(std::istreambuf_iterator<char>(stream), {});
    EXPECT_NE(html.find(hash), std::string::npos);
    EXPECT_NE(html.find("top-k:k=1,capacity=1"), std::string::npos);
    EXPECT_NE(html.find("72 of 72 runs have finished."), std::string::npos);
    EXPECT_NE(html.find("<svg "), std::string::npos);
    EXPECT_TRUE(html.ends_with("</html>\n"));
    EXPECT_NE(report("out/experiment.mixo", "out/experiment.mixo").second.find("would replace what it is made from"),
              std::string::npos);
    EXPECT_EQ(ExperimentStore::open(directory / "out/experiment.mixo").done().size(), 72U);
    EXPECT_EQ(report("report.html", "other.html").first, 2);
    EXPECT_FALSE(std::filesystem::exists(directory / "other.html"));
}
#endif

TEST_F(SweepCommand, ResultsCountWhatTheRunsHold) {
    // The right answer of half of the items is what the model says anyway.
    ASSERT_EQ(sweep("before").status, 0);
    std::map<std::string, std::string> said;
    for (const auto& run : table("before/runs.csv")) {
        if (run.at("policy") == "model" && run.at("mode") == "no_think") said[run.at("item")] = run.at("answer");
    }
    std::ofstream tasks(directory / "t.jsonl");
    for (int i = 0; i < 6; ++i) {
        const std::string answer = i % 2 == 0 ? said.at(std::to_string(i)) : "x";
        tasks << json{{"prompt", "question " + std::to_string(i)}, {"answer", answer}}.dump(
                     -1, ' ', false, json::error_handler_t::replace)
              << '\n';
    }
    tasks.close();
    ASSERT_EQ(sweep("out").status, 0);
    const auto runs = table("out/runs.csv");
    for (const auto& result : table("out/results.csv")) {
        int correct = 0;
        int count = 0;
        double thinking = 0.0;
        for (const auto& run : runs) {
            bool same = true;
            for (const char* field : {"task", "policy", "sampling", "mode", "budget", "seed"})
                same = same && run.at(field) == result.at(field);
            if (!same) continue;
            ++count;
            correct += run.at("correct") == "1" ? 1 : 0;
            thinking += std::stod(run.at("thinking_tokens"));
        }
        EXPECT_EQ(result.at("runs"), std::to_string(count));
        EXPECT_EQ(result.at("correct"), std::to_string(correct));
        EXPECT_DOUBLE_EQ(std::stod(result.at("thinking_tokens")), thinking / count);
        if (result.at("policy") == "model") {
            EXPECT_EQ(result.at("p_value"), "");
            EXPECT_DOUBLE_EQ(std::stod(result.at("active_experts")), 2.0);
            EXPECT_TRUE(result.at("mode") != "no_think" || result.at("correct") == "3") << result.at("correct");
        } else {
            EXPECT_NE(result.at("p_value"), "");
        }
        if (result.at("policy") == "top-k:k=1") {
            EXPECT_DOUBLE_EQ(std::stod(result.at("active_experts")), 1.0);
        }
        EXPECT_EQ(std::stod(result.at("prompt_dropped_share")) > 0.0, result.at("policy") == "top-k:k=1,capacity=1");
        EXPECT_EQ(std::stod(result.at("dropped_share")), 0.0)
            << "capacity acts on the prompt, whose rows are not counted";
    }
}

TEST_F(SweepCommand, GoesOnAfterKillsToTheSameResults) {
    experiment["max_tokens"] = 200;
    experiment["lanes"] = 1;  // slow enough to be killed between two commits
    experiment["seeds"] = {1, 2};
    experiment["sampling"] = json::array({json::object()});
    write();
    expectSameAfterKills();
}

TEST_F(SweepCommand, ATextGoesOnAfterKillsToTheSameResults) {
    writeText(12'000);
    experiment["tasks"] = {{{"file", "t.raw"}, {"layout", "text"}, {"window", 64}, {"stride", 32}}};
    experiment["lanes"] = 1;
    write();
    expectSameAfterKills();
    const auto results = table("cut/results.csv");
    ASSERT_EQ(results.size(), 3U) << "a cell a policy";
    for (const auto& result : results) {
        EXPECT_EQ(result.at("scored_tokens"), "11999");
        EXPECT_GT(std::stod(result.at("perplexity")), 1.0);
        EXPECT_EQ(result.at("accuracy"), "");
    }
}

TEST_F(SweepCommand, TellsThePerplexityOfATextBesideTheAccuracyOfOthers) {
    writeText(300);
    experiment["tasks"].push_back({{"name", "text"}, {"file", "t.raw"}, {"layout", "text"}, {"window", 64}});
    experiment["modes"] = {"no_think"};
    write();
    const ProgramResult shown = sweep("out");
    ASSERT_EQ(shown.status, 0) << shown.err;
    ASSERT_EQ(shown.lines().size(), 1U + 3U + 3U);
    EXPECT_NE(shown.lines()[4].find(" ppl "), std::string::npos) << shown.out;
    EXPECT_EQ(shown.lines()[1].find(" ppl "), std::string::npos);
    EXPECT_EQ(shown.out.find("nan"), std::string::npos);
    const auto lines = sweep("again", {"--json"}).jsonLines();
    EXPECT_FALSE(lines[0].contains("perplexity"));
    EXPECT_FALSE(lines[3].contains("accuracy"));
    EXPECT_EQ(lines[3]["scored_tokens"], 299);
    EXPECT_EQ(lines[3]["lanes"], 4);
    EXPECT_LT(lines[4]["nll_change_low"], lines[4]["nll_change_high"]);
}

TEST_F(SweepCommand, WritesTheSamplesOfHumanEval) {
    std::ofstream problems(directory / "HumanEval.jsonl");
    for (const char* name : {"f", "g"})
        problems << json{{"task_id", std::string("HumanEval/") + name},
                         {"prompt", std::string("def ") + name + "():\n    \"\"\" One. \"\"\"\n"},
                         {"entry_point", name},
                         {"canonical_solution", "    return 1\n"},
                         {"test", "def check(c):\n    assert c() == 1"}}
                        .dump()
                 << '\n';
    problems.close();
    experiment["tasks"] = {{{"file", "HumanEval.jsonl"}}};
    experiment["modes"] = {"no_think"};
    write();
    ASSERT_EQ(sweep("out").status, 0);
    std::map<std::string, std::vector<json>> samples;
    for (const auto& entry : std::filesystem::directory_iterator(directory / "out")) {
        const std::string name = entry.path().filename();
        if (!name.starts_with("samples-")) continue;
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) samples[name].push_back(json::parse(line));
    }
    ASSERT_EQ(samples.size(), 3U) << "a file a cell";
    const auto& found = samples.at("samples-HumanEval-top-k_k_1-no_think-unlimited-greedy-0.jsonl");
    ASSERT_EQ(found.size(), 2U);
    const TaskSet set = readTaskSet(directory / "HumanEval.jsonl", TaskLayout::kAuto);
    for (const auto& run : table("out/runs.csv")) {
        if (run.at("policy") != "top-k:k=1") continue;
        const std::size_t item = std::stoul(run.at("item"));
        EXPECT_EQ(run.at("judged"), "0") << "no generated code is run here";
        EXPECT_EQ(found[item], (json{{"task_id", set.problems[item].task_id},
                                     {"completion", humanEvalCompletion(set.problems[item], run.at("answer"))}}));
    }
    experiment["policies"] = {"model"};
    experiment["lanes"] = {1, 2};
    write();
    ASSERT_EQ(sweep("sizes").status, 0);
    for (const char* lanes : {"1", "2"})
        EXPECT_TRUE(std::filesystem::exists(
            directory / "sizes" /
            ("samples-HumanEval-model-no_think-unlimited-greedy-0-" + std::string(lanes) + ".jsonl")));
}

TEST_F(SweepCommand, NeitherWritesOverNorMixesExperiments) {
    ASSERT_EQ(sweep("out").status, 0);
    const ProgramResult again = sweep("out");
    EXPECT_EQ(again.status, 2);
    EXPECT_NE(again.err.find("--resume"), std::string::npos) << again.err;
    EXPECT_EQ(sweep("out", {"--resume"}).status, 0) << "nothing is left to do";
    experiment["max_tokens"] = 25;
    write();
    const std::string other = sweep("out", {"--resume"}).err;
    EXPECT_NE(other.find("another experiment; expected max_tokens = 24; found max_tokens = 25. "), std::string::npos)
        << other;
    experiment["max_tokens"] = 24;
    write();
    std::ofstream(directory / "t.jsonl", std::ios::app) << R"({"prompt": "more", "answer": "x"})";
    EXPECT_NE(sweep("out", {"--resume"}).err.find("another task file"), std::string::npos);
}

TEST_F(SweepCommand, RefusesBeforeAnythingRuns) {
    const auto refusal = [&](const char* field, const json& value) {
        const json before = experiment;
        experiment[field] = value;
        write();
        experiment = before;
        const ProgramResult result = sweep("refused");
        EXPECT_EQ(result.status, 2) << field;
        EXPECT_FALSE(std::filesystem::exists(directory / "refused" / "experiment.mixo")) << field;
        return result.err;
    };
    const std::string nonsense = refusal("policies", {"model", "nonsense"});
    EXPECT_NE(nonsense.find("e.json, field policies, choice 2, routing policy \"nonsense\": "), std::string::npos)
        << nonsense;
    EXPECT_NE(refusal("policies", {"top-k:k=9"}).find("9"), std::string::npos);
    EXPECT_NE(refusal("tasks", {{{"file", "gone.jsonl"}}}).find("gone.jsonl"), std::string::npos);
    EXPECT_NE(refusal("model", file("nowhere")).find("nowhere"), std::string::npos);
    EXPECT_NE(refusal("budgets", {-3}).find("budgets"), std::string::npos);
}

}  // namespace
}  // namespace mixoscope
