// `mixoscope compare`: JSON lines with lanes, the summary, tables and sessions,
// and what is refused before anything runs.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "app/run_program_test.h"
#include "sessions/comparison_export.h"
#include "sessions/session_file.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class CompareCommand : public testing::Test {
protected:
    CompareCommand() { test::writeTinyModel(m_directory.path(), {.seed = 5}); }

    ProgramResult compare(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments = {"compare", "--model", m_directory.path().string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return runProgramWith(arguments);
    }
    std::string inside(const std::string& name) const { return (m_directory / name).string(); }

    test::TemporaryDirectory m_directory;
};

std::string textOf(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

TEST_F(CompareCommand, EachLineHasItsLaneAndALaneIsWhatGenerateGives) {
    const std::vector<std::string> common = {"--prompt", "hello", "--max-tokens", "12", "--ignore-eos", "--json"};
    std::vector<std::string> arguments = common;
    for (const char* lane : {"policy=model;seed=3", "policy=top-k:k=1;seed=4;temperature=1.5", "mode=no_think;greedy"})
        arguments.insert(arguments.end(), {"--lane", lane});
    const ProgramResult result = compare(arguments);
    ASSERT_EQ(result.status, 0) << result.err;
    std::map<int, std::vector<int>> ids;
    const std::vector<json> lines = result.jsonLines();
    for (const json& line : lines) {
        if (!line.contains("id")) continue;
        ASSERT_EQ(line.size(), 7U) << line;
        ids[line["lane"].get<int>()].push_back(line["id"]);
    }
    ASSERT_EQ(ids.size(), 3U);
    const std::vector<std::vector<std::string>> alone = {
        {"--seed", "3"},
        {"--policy", "top-k:k=1", "--seed", "4", "--temperature", "1.5"},
        {"--mode", "no_think", "--greedy"}};
    for (int lane = 0; lane < 3; ++lane) {
        std::vector<std::string> generate = {"generate", "--model", m_directory.path().string()};
        generate.insert(generate.end(), common.begin(), common.end());
        generate.insert(generate.end(), alone[static_cast<std::size_t>(lane)].begin(),
                        alone[static_cast<std::size_t>(lane)].end());
        std::vector<int> expected;
        for (const json& line : runProgramWith(generate).jsonLines()) {
            if (line.contains("id")) expected.push_back(line["id"]);
        }
        EXPECT_EQ(ids[lane], expected) << "lane " << lane;
    }
    const json& lanes = lines.back()["summary"]["lanes"];
    ASSERT_EQ(lanes.size(), 3U);
    EXPECT_EQ(lanes[0]["lane"], 0);
    EXPECT_EQ(lanes[1]["policy"], "top-k:k=1");
    EXPECT_EQ(lanes[1]["free"]["experts_per_layer"], 1.0);
    EXPECT_TRUE(lanes[0]["first_divergence"].is_null());
    EXPECT_TRUE(lanes[1]["forced"].is_null()) << "nothing was forced";
    EXPECT_EQ(lanes[2]["thinking_tokens"], 0);
}

TEST_F(CompareCommand, ForcedMeasuresTablesAndSessionAgree) {
    const ProgramResult result = compare({"--ids",
                                          "60,61,62,63,259",
                                          "--max-tokens",
                                          "20",
                                          "--ignore-eos",
                                          "--budget",
                                          "5",
                                          "--lane",
                                          "policy=model",
                                          "--lane",
                                          "policy=model;seed=9",
                                          "--lane",
                                          "policy=random:k=2",
                                          "--forced",
                                          "--alone",
                                          "--json",
                                          "--record",
                                          inside("lanes.mixo"),
                                          "--csv",
                                          inside("csv")});
    ASSERT_EQ(result.status, 0) << result.err;
    const json summary = result.jsonLines().back()["summary"];
    EXPECT_EQ(summary["prompt_copies"], 2);
    EXPECT_EQ(summary["lanes"][1]["shared_prompt_tokens"], 4);
    EXPECT_EQ(summary["lanes"][1]["forced"]["kl"], 0.0);
    EXPECT_EQ(summary["lanes"][1]["forced"]["nll_change"]["mean"], 0.0);
    EXPECT_EQ(summary["lanes"][1]["forced"]["jaccard"], 1.0);
    EXPECT_GT(summary["lanes"][2]["forced"]["kl"].get<double>(), 0.0);
    EXPECT_LE(summary["lanes"][2]["forced"]["nll_change"]["low"].get<double>(),
              summary["lanes"][2]["forced"]["nll_change"]["mean"].get<double>());
    EXPECT_GT(summary["lanes"][2]["alone_tpot_ms"].get<double>(), 0.0);
    const ProgramResult exported = runProgramWith({"export", inside("lanes.mixo"), "--csv", inside("exported")});
    ASSERT_EQ(exported.status, 0) << exported.err;
    for (const char* table : {"comparison.csv", "forced.csv"}) {
        EXPECT_EQ(textOf(m_directory / "csv" / table), textOf(m_directory / "exported" / table)) << table;
        EXPECT_GT(textOf(m_directory / "csv" / table).size(), 200U);
    }
    EXPECT_NE(textOf(m_directory / "exported" / "lanes.csv").find("forced"), std::string::npos);
}

TEST_F(CompareCommand, SaysWhatIsWrongBeforeAnythingRuns) {
    const auto refused = [&](const std::vector<std::string>& lanes, const std::string& mentions) {
        std::vector<std::string> arguments = {"--prompt", "hello", "--record", inside("refused.mixo")};
        for (const std::string& lane : lanes) arguments.insert(arguments.end(), {"--lane", lane});
        const ProgramResult result = compare(arguments);
        EXPECT_EQ(result.status, 2) << mentions;
        EXPECT_TRUE(test::isMessage(result.err)) << result.err;
        EXPECT_NE(result.err.find(mentions), std::string::npos) << result.err;
        EXPECT_EQ(result.out, "");
        EXPECT_FALSE(std::filesystem::exists(inside("refused.mixo")));
    };
    refused({}, "--lane: A comparison needs lanes to compare; expected two to eight of them");
    refused({"policy=model"}, "found 1. For example: --lane policy=model --lane ");
    refused({"policy=model", "greedy=true"}, "--lane 1: greedy takes no value; expected the word alone");
    refused({"policy=model", "policy=nonsense"}, "nonsense");
    refused({"policy=model", "policy=top-k:k=2,capacity=0"}, "capacity");
    refused({"policy=model", "policy=top-k:k=9"}, "lane 1");
    refused({"policy=model", "policy=ban:experts=0-7"}, "lane 1");
    refused({"policy=model", "speed=9"}, "speed");
    refused({"policy=model", "hurried"}, "hurried");
    refused({"policy=model", "budget=-4"}, "--lane 1, budget");
    refused({"policy=model", "greedy;temperature=5"}, "--lane 1, temperature");
    refused({"policy=model", "mode=maybe"}, "mode");
    refused({"policy=model", "seed=x"}, "seed");
    refused({"policy=model", "temperature=-1"}, "temperature");
    refused({"policy=model", "policy=skip:calibration=/no/such/file.json"}, "/no/such/file.json");
}

}  // namespace
}  // namespace mixoscope
