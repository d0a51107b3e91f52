// Experiment files: what they say, what is refused, and the cells that they mean.
#include "sessions/experiment.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/error.h"
#include "support/paths.h"

namespace mixoscope {
namespace {

Experiment parse(std::string_view text) {
    return parseExperiment(std::as_bytes(std::span(text)), "/there/e.json");
}

std::string refusal(std::string_view text) {
    try {
        parse(text);
    } catch (const Error& error) {
        return error.what();
    }
    return "(accepted)";
}

constexpr std::string_view kFull = R"({
  "name": "demo", "model": "demo", "soft_switch": true, "max_tokens": 300, "lanes": 4,
  "tasks": [{"file": "a.jsonl", "limit": 10}, {"name": "b", "file": "/else/b.csv", "layout": "gpqa", "answer": "option", "system": "Be brief."}],
  "policies": ["model", "top-k:k=1"], "modes": ["think", "no_think"], "budgets": [0, 32, "unlimited"],
  "sampling": [{"greedy": true}, {"temperature": 0.6, "top_p": 0.95, "top_k": 20}, {}], "seeds": [1, 2]})";

TEST(Experiment, ReadsEveryField) {
    const Experiment experiment = parse(kFull);
    EXPECT_EQ(experiment.tasks[0].name, "a");
    EXPECT_EQ(experiment.tasks[0].file, "/there/a.jsonl");
    EXPECT_EQ(experiment.tasks[0].limit, 10);
    EXPECT_EQ(experiment.tasks[1].layout, TaskLayout::kGpqa);
    EXPECT_EQ(experiment.tasks[1].rule, "option");
    EXPECT_EQ(experiment.tasks[1].system, "Be brief.");
    EXPECT_EQ(experiment.budgets, (std::vector<std::int32_t>{0, 32, kUnlimitedBudget}));
    EXPECT_TRUE(experiment.soft_switch);
    EXPECT_EQ(experiment.max_tokens, 300);
    EXPECT_EQ(experiment.lanes, std::vector<std::int32_t>{4});
    EXPECT_EQ(samplingText(experiment.samplings[0]), "greedy");
    EXPECT_EQ(samplingText(experiment.samplings[2]), "default");
}

// What README.md shows is what is read.
TEST(Experiment, TheExampleOfTheReadmeIsReadAndShowsTheDefaults) {
    std::ifstream stream(test::resourcesDirectory() / "../README.md", std::ios::binary);
    const std::string readme(std::istreambuf_iterator<char>(stream), {});
    const std::size_t begin = readme.find("{\"model\": \"demo\"");
    ASSERT_NE(begin, std::string::npos);
    const Experiment shown = parse(std::string_view(readme).substr(begin, readme.find("```", begin) - begin));
    Experiment sparse = parse(R"({"tasks": [{"file": "sums.jsonl", "answer": "exact", "limit": 200}]})");
    EXPECT_EQ(experimentJson(shown), experimentJson(sparse));
    EXPECT_EQ(parse(R"({"tasks": [{"file": "a.jsonl", "limit": 0}]})").tasks[0].limit, 0) << "all items";
}

TEST(Experiment, ComesBackFromItsText) {
    const std::string text = experimentJson(parse(kFull));
    EXPECT_EQ(experimentJson(parse(text)), text);
    EXPECT_NE(experimentJson(parse(R"({"tasks": [{"file": "a.jsonl"}]})")), text);
}

TEST(Experiment, CellsLeaveOutChoicesWithoutEffect) {
    const Experiment experiment = parse(kFull);
    const std::vector<ExperimentCell> cells = experimentCells(experiment);
    // Tasks × policies × (greedy: one seed; two samplings: two seeds) × (think: three budgets; no_think: one).
    EXPECT_EQ(cells.size(), 2U * 2U * (1U + 2U * 2U) * (3U + 1U));
    for (std::size_t a = 0; a < cells.size(); ++a) {
        for (std::size_t b = 0; b < a; ++b) EXPECT_FALSE(cells[a] == cells[b]) << a << ' ' << b;
        EXPECT_TRUE(cells[a].mode == ThinkingMode::kThink || cells[a].budget == kUnlimitedBudget);
    }
}

TEST(Experiment, ATextHasOneCellAPolicyAndBatchSize) {
    const Experiment experiment = parse(
        R"({"tasks": [{"file": "wiki.raw", "layout": "text", "window": 256, "stride": 128}], "policies": ["model", "top-k:k=1"],
            "modes": ["think", "no_think"], "budgets": [0, 8], "sampling": [{}, {"greedy": true}], "seeds": [4, 5],
            "lanes": [2, 4]})");
    EXPECT_EQ(experiment.tasks[0].window, 256);
    EXPECT_EQ(experiment.tasks[0].stride, 128);
    const std::vector<ExperimentCell> cells = experimentCells(experiment);
    ASSERT_EQ(cells.size(), 4U);
    for (std::size_t cell = 0; cell < 4; ++cell) {
        EXPECT_EQ(cells[cell].policy, cell / 2);
        EXPECT_EQ(cells[cell].lanes, cell % 2 == 0 ? 2 : 4);
    }
    EXPECT_EQ(experimentJson(parse(experimentJson(experiment))), experimentJson(experiment));
    EXPECT_NE(experimentJson(experiment).find("\"stride\": 128"), std::string::npos);
}

TEST(Experiment, RefusesFieldsThatWouldDoNothing) {
    const auto task = [](const std::string& fields) {
        return refusal(R"({"tasks": [{"file": "a.txt", )" + fields + "}]}");
    };
    EXPECT_NE(task(R"("window": 64)").find("task 1, field window: Only a text is cut into windows"), std::string::npos);
    EXPECT_NE(task(R"("layout": "prompts", "stride": 64)").find("field stride"), std::string::npos);
    EXPECT_NE(task(R"("layout": "text", "answer": "exact")").find("field answer"), std::string::npos);
    EXPECT_NE(task(R"("layout": "text", "system": "Be brief.")").find("field system"), std::string::npos);
    EXPECT_NE(task(R"("layout": "text", "window": 1)").find("field window"), std::string::npos);
    EXPECT_NE(task(R"("layout": "text", "stride": 0)").find("field stride"), std::string::npos);
    EXPECT_EQ(task(R"("layout": "text", "window": 64, "stride": 64, "limit": 3)"), "(accepted)");
}

TEST(Experiment, BatchSizesAreChoicesOfACell) {
    const Experiment one = parse(R"({"tasks": [{"file": "a.jsonl"}], "lanes": [4]})");
    EXPECT_EQ(experimentJson(one), experimentJson(parse(R"({"tasks": [{"file": "a.jsonl"}], "lanes": 4})")));
    const Experiment several = parse(R"({"tasks": [{"file": "a.jsonl"}], "budgets": [8, 16], "lanes": [1, 8]})");
    EXPECT_EQ(experimentJson(parse(experimentJson(several))), experimentJson(several));
    std::vector<std::pair<std::int32_t, std::int32_t>> cells;
    for (const ExperimentCell& cell : experimentCells(several)) cells.emplace_back(cell.budget, cell.lanes);
    EXPECT_EQ(cells, (std::vector<std::pair<std::int32_t, std::int32_t>>{{8, 1}, {8, 8}, {16, 1}, {16, 8}}));
}

TEST(Experiment, RefusesWhatItDoesNotKnowAndNamesTheField) {
    const std::string task = R"("tasks": [{"file": "a.jsonl"}])";
    EXPECT_NE(refusal("{}").find("field tasks"), std::string::npos);
    EXPECT_NE(refusal(R"({"tasks": []})").find("field tasks"), std::string::npos);
    EXPECT_NE(refusal(R"({"tasks": [{}]})").find("task 1, field file"), std::string::npos);
    EXPECT_NE(refusal(R"({"tasks": [{"file": "a.jsonl"}, {"file": "b/a.jsonl"}]})").find("one name"),
              std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "policy": ["model"]})").find("found policy"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "policies": ["model", "model"]})").find("twice"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "policies": []})").find("field policies"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "modes": ["auto"]})").find("choice 1"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "budgets": [-1]})").find("field budgets"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "budgets": [1.5]})").find("field budgets"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "seeds": ["a"]})").find("field seeds"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "sampling": [{"heat": 1}]})").find("found heat"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "sampling": [{"greedy": true, "top_k": 3}]})").find("Greedy"),
              std::string::npos);
    const std::string word = refusal("{" + task + R"(, "sampling": ["greedy"]})");
    EXPECT_NE(
        word.find(R"(field sampling, choice 1: This is no choice of sampling; expected an object: {"greedy": true})"),
        std::string::npos)
        << word;
    EXPECT_NE(refusal("{" + task + R"(, "lanes": 0})").find("field lanes"), std::string::npos);
    EXPECT_NE(refusal("{" + task + R"(, "lanes": [1, 65]})").find("field lanes, choice 2"), std::string::npos);
    EXPECT_NE(refusal(R"({"tasks": [{"file": "a.jsonl", "name": "all tasks"}]})").find("field name"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"tasks": [{"file": "a.jsonl", "layout": "x"}]})").find("field layout"), std::string::npos);
    EXPECT_NE(refusal(R"({"tasks": [{"file": "a.jsonl", "answer": "x"}]})").find("field answer"), std::string::npos);
    EXPECT_EQ(refusal("{\n \"tasks\": [],}"), "/there/e.json: This is not valid JSON (line 2, column 14)");
}

}  // namespace
}  // namespace mixoscope
