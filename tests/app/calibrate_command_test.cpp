// `mixoscope calibrate`: what it writes, going on after a stop, what it refuses, and a policy that uses the result.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "app/run_program_test.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class CalibrateCommand : public testing::Test {
protected:
    CalibrateCommand() {
        std::filesystem::create_directory(directory / "model");
        test::writeTinyModel(directory / "model", {.seed = 5});
        std::ofstream(file("p.jsonl")) << R"({"prompt": "one and two", "thinking": "count", "answer": "three"})"
                                       << "\n\n"
                                       << R"({"text": "plain words <|im_end|>"})"
                                       << "\n"
                                       << R"({"ids": [1, 2, 3, 4]})"
                                       << "\n";
    }
    std::string file(const std::string& name) const { return (directory / name).string(); }
    ProgramResult calibrate(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments = {"calibrate", "--model", file("model")};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return runProgramWith(arguments);
    }
    static std::string contentOf(const std::string& name) {
        std::ifstream stream(name);
        std::ostringstream text;
        text << stream.rdbuf();
        return text.str();
    }

    test::TemporaryDirectory directory;
};

TEST_F(CalibrateCommand, WritesWhatPoliciesTakeAndGoesOnWhereItStopped) {
    const ProgramResult whole = calibrate({"--prompts", file("p.jsonl"), "--out", file("whole.json")});
    ASSERT_EQ(whole.status, 0) << whole.err;
    EXPECT_EQ(whole.err, "") << "no progress where stderr is no terminal";
    const json summary = whole.json();
    EXPECT_EQ(summary["prompts"], 3);
    EXPECT_EQ(summary["complete"], true);
    EXPECT_EQ(summary["policy"], "model");
    EXPECT_GT(summary["tokens"].get<int>(), 40);

    const ProgramResult first = calibrate({"--prompts", file("p.jsonl"), "--out", file("c.json"), "--limit", "2"});
    EXPECT_EQ(first.json()["prompts_done"], 2);
    EXPECT_EQ(first.json()["complete"], false);
    const auto generate = [&](const std::string& policy) {
        return runProgramWith(
            {"generate", "--model", file("model"), "--prompt", "x", "--max-tokens", "3", "--policy", policy});
    };
    const ProgramResult unfinished = generate("skip:calibration=" + file("c.json"));
    EXPECT_EQ(unfinished.status, 2);
    EXPECT_NE(unfinished.err.find("unfinished"), std::string::npos) << unfinished.err;
    EXPECT_EQ(calibrate({"--prompts", file("p.jsonl"), "--out", file("c.json")}).status, 0);
    EXPECT_EQ(contentOf(file("c.json")), contentOf(file("whole.json"))) << "to the byte";
    EXPECT_EQ(calibrate({"--prompts", file("p.jsonl"), "--out", file("c.json")}).status, 0) << "nothing is left to do";
    EXPECT_EQ(contentOf(file("c.json")), contentOf(file("whole.json")));

    for (const char* policy : {"skip:calibration=", "entropy:calibration=", "prune:share=0.25,calibration="}) {
        const ProgramResult used = generate(policy + file("c.json"));
        EXPECT_EQ(used.status, 0) << used.err;
    }
}

TEST_F(CalibrateCommand, OfAnotherModelPolicyOrPromptsIsNeverWrittenOverNorUsed) {
    ASSERT_EQ(calibrate({"--prompts", file("p.jsonl"), "--out", file("c.json")}).status, 0);
    const std::string before = contentOf(file("c.json"));
    std::filesystem::create_directory(directory / "other");
    test::writeTinyModel(directory / "other", {.seed = 6});
    const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
        const ProgramResult result = runProgramWith(arguments);
        EXPECT_EQ(result.status, 2);
        EXPECT_TRUE(test::isMessage(result.err));
        EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    };
    refused({"calibrate", "--model", file("other"), "--prompts", file("p.jsonl"), "--out", file("c.json")},
            "a calibration of another model, and is never written over");
    refused({"calibrate", "--model", file("model"), "--prompts", file("p.jsonl"), "--out", file("c.json"), "--policy",
             "top-k:k=1"},
            "a calibration of another policy");
    refused(
        {"calibrate", "--model", file("model"), "--prompts", file("p.jsonl"), "--out", file("c.json"), "--tokens", "9"},
        "a calibration of another prompt file");
    EXPECT_EQ(contentOf(file("c.json")), before);
    const std::string hash = json::parse(before)["model_hash"];
    std::ofstream(file("t.jsonl")) << json{{"prompt", "x"}, {"answer", "x"}}.dump() << '\n';
    const std::string policy = "skip:calibration=" + file("c.json");
    std::ofstream(file("e.json")) << json{
        {"model", file("other")}, {"tasks", {{{"file", "t.jsonl"}}}}, {"policies", {"model", policy}}};
    refused({"compare", "--model", file("other"), "--prompt", "x", "--record", file("lanes.mixo"), "--lane",
             "policy=model", "--lane", "policy=" + policy},
            "found model " + hash);
    EXPECT_FALSE(std::filesystem::exists(file("lanes.mixo"))) << "before anything runs";
    refused({"sweep", file("e.json"), "--out", file("sweep")}, "found model " + hash);
    EXPECT_FALSE(std::filesystem::exists(directory / "sweep" / "experiment.mixo")) << "before anything runs";
    for (const char* command : {"generate", "trace", "bench"}) {
        std::vector<std::string> arguments = {command, "--model", file("other"), "--policy", policy};
        if (std::string(command) == "generate") arguments.insert(arguments.end(), {"--prompt", "x"});
        if (std::string(command) == "trace") arguments.insert(arguments.end(), {"--ids", "1"});
        refused(arguments, "found model " + hash);
    }
}

TEST_F(CalibrateCommand, BadPromptsNameTheirLine) {
    const auto refusal = [&](const std::string& text) {
        std::ofstream(file("bad.jsonl")) << "{\"text\": \"good\"}\n" << text << "\n";
        const ProgramResult result = calibrate({"--prompts", file("bad.jsonl"), "--out", file("bad.json")});
        EXPECT_EQ(result.status, 2) << text;
        EXPECT_FALSE(std::filesystem::exists(file("bad.json"))) << text;
        return result.err;
    };
    for (const char* text :
         {"words", "[1]", "{}", R"({"prompt": 3})", R"({"text": ""})", R"({"ids": []})", R"({"ids": "1"})",
          R"({"ids": [-1]})", R"({"ids": [304]})", R"({"ids": [1.5]})", R"({"prompt": "a", "answer": []})"})
        EXPECT_NE(refusal(text).find("bad.jsonl, line 2"), std::string::npos) << text;
    std::ofstream(file("empty.jsonl")) << "\n\n";
    EXPECT_EQ(calibrate({"--prompts", file("empty.jsonl"), "--out", file("e.json")}).status, 2);
    EXPECT_EQ(calibrate({"--prompts", file("none.jsonl"), "--out", file("e.json")}).status, 2);
    const ProgramResult nowhere = calibrate({"--prompts", file("p.jsonl"), "--out", file("no/such/c.json")});
    EXPECT_EQ(nowhere.status, 2);
    EXPECT_NE(nowhere.err.find("found no directory " + file("no/such")), std::string::npos) << nowhere.err;
    EXPECT_EQ(calibrate({"--prompts", file("p.jsonl"), "--out", file("e.json"), "--policy", "top"}).status, 2);
}

}  // namespace
}  // namespace mixoscope
