// `mixoscope sweep`: its results against turns run one by one, going on after a stop, and what it refuses.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <sstream>

#include "app/run_program_test.h"
#include "engine/error.h"
#include "sessions/csv_reader.h"
#include "sessions/experiment_store.h"
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
            execl(program.c_str(), program.c_str(), "sweep", file("e.json").c_str(), "--out", out.c_str(), "--resume",
                  nullptr);
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
