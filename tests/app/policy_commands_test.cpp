// Policies in all headless commands: every one that is described runs, and one that is none is refused by each command
// before anything runs.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "app/run_program_test.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class PolicyCommands : public testing::Test {
protected:
    PolicyCommands() {
        for (const auto& [name, seed] : {std::pair{"model", 5}, {"other", 6}}) {
            std::filesystem::create_directory(directory / name);
            test::writeTinyModel(directory / name, {.seed = static_cast<std::uint64_t>(seed)});
        }
        std::ofstream(file("prompts.jsonl")) << R"({"ids": [1, 2, 3, 4, 5, 60, 61]})" << '\n';
        std::ofstream(file("tasks.jsonl")) << R"({"prompt": "question", "answer": "x"})" << '\n';
    }
    std::string file(const std::string& name) const { return (directory / name).string(); }
    /// The policies of `mixoscope policies --json` with nothing set but what must be.
    std::vector<json> described() const {
        return runProgramWith({"policies", "--model", file("model"), "--json"}).json();
    }
    static std::string textOf(const json& policy) {
        std::string text = policy["name"];
        for (const json& parameter : policy["parameters"]) {
            if (parameter["default"].is_null()) text += ":" + parameter["key"].get<std::string>() + "=1";
        }
        return text;
    }
    ProgramResult calibrate(const std::string& model, const std::string& policy, const std::string& out) const {
        return runProgramWith({"calibrate", "--model", file(model), "--policy", policy, "--prompts",
                               file("prompts.jsonl"), "--out", file(out)});
    }
    std::set<std::string> files() const {
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path()))
            names.insert(entry.path().string());
        return names;
    }

    test::TemporaryDirectory directory;
};

TEST_F(PolicyCommands, EveryDescribedPolicyIsTracedComparedAndCalibrated) {
    const std::vector<json> policies = described();
    ASSERT_EQ(policies.size(), 17U);
    const auto trace = [&](const std::string& text) {
        const ProgramResult result =
            runProgramWith({"trace", "--model", file("model"), "--ids", "1,2,3,4,5,60", "--policy", text});
        EXPECT_EQ(result.status, 0) << text << ": " << result.err;
        return result.status == 0 ? result.json() : json{{"layers", json::array()}};
    };
    // What takes a calibration: without it, and with it up to the file.
    const std::map<std::string, std::pair<std::string, std::string>> calibrated_forms = {
        {"skip", {"skip", "skip:"}},
        {"entropy", {"entropy:min=1,max=8,target=6", "entropy:min=1,max=8,target=6,"}},
        {"prune", {"prune", "prune:share=0.25,"}}};
    std::set<std::string> calibrated;
    for (const json& policy : policies) {
        const std::string text = textOf(policy);
        const json traced = trace(text);
        ASSERT_EQ(traced["layers"].size(), 3U) << text;
        for (const json& layer : traced["layers"]) {
            ASSERT_EQ(layer["experts"].size(), 6U) << text;
            for (std::size_t token = 0; token < 6; ++token) {
                ASSERT_EQ(layer["experts"][token].size(), layer["weights"][token].size()) << text;
                if (text == "ban:experts=1" || text == "force:experts=1") {
                    const auto ids = layer["experts"][token].get<std::set<int>>();
                    ASSERT_EQ(ids.contains(1), text == "force:experts=1") << text;
                }
            }
        }
        const ProgramResult compared = runProgramWith({"compare", "--model", file("model"), "--ids", "60,61,62,259",
                                                       "--max-tokens", "6", "--ignore-eos", "--lane", "policy=model",
                                                       "--lane", "policy=" + text, "--forced", "--json"});
        ASSERT_EQ(compared.status, 0) << text << ": " << compared.err;
        const json lanes = compared.jsonLines().back()["summary"]["lanes"];
        ASSERT_TRUE(lanes[1]["policy"].get<std::string>().starts_with(policy["name"].get<std::string>())) << lanes;
        ASSERT_GT(lanes[1]["forced"]["tokens"].get<int>(), 0) << text;
        if (text == "model") {
            EXPECT_EQ(lanes[1]["forced"]["kl"], 0.0);
        }
        const std::string name = policy["name"];
        const ProgramResult measured = calibrate("model", text, name + ".json");
        ASSERT_EQ(measured.status, 0) << text << ": " << measured.err;
        ASSERT_EQ(measured.json()["complete"], true) << text;
        if (!policy["calibrated"].get<bool>()) continue;
        calibrated.insert(name);
        EXPECT_EQ(measured.json()["policy"], "model") << text << " waits for what is measured";
        const auto& [without, with] = calibrated_forms.at(name);
        const std::string used = with + "calibration=" + file(name + ".json");
        EXPECT_NE(trace(used)["layers"], trace(without)["layers"]) << used << " changes nothing";
    }
    EXPECT_EQ(calibrated, (std::set<std::string>{"entropy", "prune", "skip"}));
}

TEST_F(PolicyCommands, ADescriptionSaysWhatAPolicyDependsOnAtItsDefaults) {
    std::set<std::string> step;
    std::set<std::string> history;
    for (const json& policy : described()) {
        if (policy["view"] == "step") step.insert(policy["name"]);
        if (policy["view"] == "history") history.insert(policy["name"]);
        EXPECT_EQ(policy["causal"], policy["view"] != "step") << policy["name"];
    }
    EXPECT_EQ(step, std::set<std::string>{"expert-choice"}) << "top-k has no capacity unless it is given one";
    EXPECT_EQ(history, (std::set<std::string>{"any-experts", "bias-balanced"}));
}

TEST_F(PolicyCommands, WhatIsNoPolicyIsRefusedByEveryCommandBeforeAnythingRuns) {
    ASSERT_EQ(calibrate("other", "model", "other.json").status, 0);
    const std::string hash = json::parse(std::ifstream(file("other.json")))["model_hash"];
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"top-q:k=1", "there is no such policy"},
        {"top-k:q=1", "top-k has no parameter of that name"},
        {"top-k:k=none", "k: the value does not fit"},
        {"top-k:k=9", "k: the value does not fit; expected a whole number from 1 to 8; found \"9\""},
        {"top-k:capacity=0", "capacity: the value does not fit"},
        {"expert-choice:capacity=0", "capacity: the value does not fit"},
        {"skip:min=3", "min: more are never skipped than are chosen"},
        {"ban:experts=0-7", "no expert is left to choose"},
        {"skip:calibration=" + file("other.json"), "found model " + hash},
        {"prune:share=0.25,calibration=" + file("other.json"), "found model " + hash},
        {"skip:calibration=" + file("none.json"), "none.json"}};
    const auto commands = [&](const std::string& policy) -> std::vector<std::vector<std::string>> {
        std::ofstream(file("experiment.json")) << json{{"model", file("model")},
                                                       {"tasks", {{{"file", "tasks.jsonl"}}}},
                                                       {"policies", {"model", policy}},
                                                       {"modes", {"no_think"}},
                                                       {"max_tokens", 4}};
        const std::string model = file("model");
        return {{"generate", "--model", model, "--prompt", "x", "--policy", policy, "--record", file("g.mixo")},
                {"trace", "--model", model, "--ids", "1,2", "--policy", policy, "--out", file("t.json")},
                {"compare", "--model", model, "--prompt", "x", "--lane", "policy=model", "--lane", "policy=" + policy,
                 "--record", file("c.mixo"), "--csv", file("csv"), "--json"},
                {"sweep", file("experiment.json"), "--out", file("sweep")},
                {"calibrate", "--model", model, "--policy", policy, "--prompts", file("prompts.jsonl"), "--out",
                 file("c.json")},
                {"bench", "--model", model, "--prompt", "4", "--decode", "2", "--policy", policy, "--json"}};
    };
    for (const auto& [policy, named] : bad) {
        for (const std::vector<std::string>& command : commands(policy)) {
            const std::set<std::string> before = files();
            const ProgramResult result = runProgramWith(command);
            EXPECT_EQ(result.status, 2) << command.front() << ' ' << policy;
            EXPECT_EQ(result.out, "") << command.front() << ' ' << policy;
            EXPECT_TRUE(test::isMessage(result.err)) << command.front() << ' ' << policy << ": " << result.err;
            EXPECT_NE(result.err.find(named), std::string::npos)
                << command.front() << ' ' << policy << ": " << result.err;
            EXPECT_EQ(files(), before) << command.front() << ' ' << policy;
        }
    }
}

}  // namespace
}  // namespace mixoscope
