// What of an answer HumanEval's evaluator is given: it runs prompt + completion + "\n" + test.
#include "sessions/human_eval.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mixoscope {
namespace {

const HumanEvalProblem kProblem{.task_id = "HumanEval/0",
                                .prompt =
                                    "from typing import List\n\n\ndef total(numbers: List[int]) -> int:\n"
                                    "    \"\"\" The sum.\n    >>> total([1, 2])\n    3\n    \"\"\"\n",
                                .entry_point = "total"};
constexpr const char* kBody = "    found = 0\n    for x in numbers:\n        found += x\n    return found\n";

std::string completed(const std::string& answer) {
    return humanEvalCompletion(kProblem, answer);
}

TEST(HumanEval, AsksWithThePromptAsItIs) {
    EXPECT_NE(humanEvalQuestion(kProblem).find("```python\n" + kProblem.prompt + "```"), std::string::npos);
}

TEST(HumanEval, LeavesOutARepeatedPrompt) {
    const std::string whole = kProblem.prompt + kBody;
    EXPECT_EQ(completed("Here it is:\n\n```python\n" + whole + "```\nIt adds them up."), kBody);
    EXPECT_EQ(completed("```\n" + whole), kBody) << "a fence that was never closed";
    std::string windows = "```python\n" + whole + "```";
    for (std::size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.insert(at, "\r");
    EXPECT_EQ(completed(windows), kBody);
}

TEST(HumanEval, AFunctionWrittenAnewFollowsThePrompts) {
    const std::string code =
        "import math\n\ndef helper(x):\n    return x\n\ndef total(numbers):\n    return sum(numbers)\n";
    const std::string first = "A helper:\n```python\ndef other():\n    pass\n```\nand all:\n```python\n";
    EXPECT_EQ(completed(first + code + "```"), "    pass\n\n\n" + code);
    EXPECT_EQ(completed("```python\ndef totals(numbers):\n    return 0\n```"),
              "    def totals(numbers):\n        return 0\n")
        << "another function is no definition of this one";
}

TEST(HumanEval, TakesABodyHoweverItIsIndented) {
    EXPECT_EQ(completed("```python\n" + std::string(kBody) + "```"), kBody);
    EXPECT_EQ(completed(std::string(kBody) + "\nThis adds them up.\n    Really."), kBody) << "no fence";
    EXPECT_EQ(completed("found = 0\nfor x in numbers:\n    found += x\nreturn found"), kBody);
    EXPECT_EQ(completed("found = 0\n    for x in numbers:\n        found += x\n    return found"), kBody)
        << "the first line only";
    EXPECT_EQ(completed("for x in numbers:\n        return x\n    return 0"),
              "    for x in numbers:\n        return x\n    return 0\n");
    EXPECT_EQ(completed("for x in numbers:\n    return x\nreturn 0"),
              "    for x in numbers:\n        return x\n    return 0\n");
    EXPECT_EQ(completed(""), "");
    EXPECT_EQ(completed("\n \n```python\n```\n"), "");
}

TEST(HumanEval, WritesTheLineThatItsEvaluatorReads) {
    const std::string line = humanEvalSample(kProblem, "```python\n    return \"\xC3\xA9\" + '\xFF'\n```");
    EXPECT_TRUE(line.ends_with("}\n"));
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const auto read = nlohmann::json::parse(line);
    EXPECT_EQ(read.size(), 2U);
    EXPECT_EQ(read["task_id"], "HumanEval/0");
    EXPECT_EQ(read["completion"], "    return \"\xC3\xA9\" + '\xEF\xBF\xBD'\n");
}

}  // namespace
}  // namespace mixoscope
