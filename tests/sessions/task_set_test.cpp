// Task files in the layouts in which benchmarks are published; the items here are made up.
#include "sessions/task_set.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/error.h"
#include "sessions/csv_reader.h"

namespace mixoscope {
namespace {

TaskSet read(std::string_view text, const std::string& file = "t.jsonl", TaskLayout layout = TaskLayout::kAuto) {
    return readTaskSet(std::as_bytes(std::span(text)), file, layout);
}

std::string refusal(std::string_view text, const std::string& file = "t.jsonl", TaskLayout layout = TaskLayout::kAuto) {
    try {
        read(text, file, layout);
    } catch (const Error& error) {
        return error.what();
    }
    return "(accepted)";
}

TEST(TaskSet, ReadsPromptsWithAnswers) {
    const TaskSet set = read(
        "{\"task\": \"sums\", \"kind\": \"1-step\", \"prompt\": \"1+1?\", \"thinking\": \"x\", \"answer\": \"2\"}\r\n\n"
        "{\"prompt\": \"2+2?\", \"answer\": \"4\"}");
    EXPECT_EQ(set.layout, TaskLayout::kPromptAnswer);
    EXPECT_EQ(set.rule.kind(), AnswerKind::kExact);
    ASSERT_EQ(set.items.size(), 2U);
    EXPECT_EQ(set.items[0].kind, "1-step");
    EXPECT_EQ(set.items[0].prompt, "1+1?");
    EXPECT_EQ(set.items[1].reference, "4");
}

TEST(TaskSet, ReadsGsm8k) {
    const TaskSet set = read(R"({"question": "How many?", "answer": "He has 3 <<1+2=3>>3.\n#### 1,003"})");
    EXPECT_EQ(set.layout, TaskLayout::kGsm8k);
    EXPECT_EQ(set.items[0].reference, "1003");
    EXPECT_TRUE(set.rule.correct("So it is 1003.", set.items[0].reference));
    EXPECT_NE(refusal(R"({"question": "How many?", "answer": "three"})").find("####"), std::string::npos);
    EXPECT_NE(refusal(R"({"question": "How many?", "answer": "#### three"})").find("line 1, field answer"),
              std::string::npos);
}

TEST(TaskSet, ReadsAime) {
    const TaskSet set =
        read("{\"problem\": \"Find x.\", \"answer\": 33}\n{\"problem\": \"Find y.\", \"answer\": \"025\"}");
    EXPECT_EQ(set.layout, TaskLayout::kAime);
    EXPECT_TRUE(set.rule.correct(R"(\boxed{33})", set.items[0].reference));
    EXPECT_TRUE(set.rule.correct("It is 25.", set.items[1].reference));
    EXPECT_EQ(read(R"({"ID": "2024-I-1", "Problem": "Find x.", "Answer": 7})").items[0].reference, "7");
}

TEST(TaskSet, ReadsMmluPro) {
    const TaskSet set = read(
        R"({"question_id": 1, "question": "Which?", "options": ["one", "two", "three"], "answer": "C", "answer_index": 2, "category": "math"})");
    EXPECT_EQ(set.layout, TaskLayout::kMmluPro);
    EXPECT_EQ(set.items[0].kind, "math");
    EXPECT_NE(set.items[0].prompt.find("\nC. three"), std::string::npos);
    EXPECT_TRUE(set.rule.correct("The answer is (C).", set.items[0].reference));
    EXPECT_NE(refusal(R"({"question": "Which?", "options": ["one"], "answer": "B"})").find("none of the options"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"question": "Which?", "options": [1], "answer": "A"})").find("options"), std::string::npos);
}

TEST(TaskSet, ReadsGpqaWithTheRightAnswerAnywhere) {
    std::string text =
        "Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,High-level "
        "domain\n";
    for (int i = 0; i < 40; ++i)
        text += "r," + ("\"Why, number " + std::to_string(i) + "?\"") + ",right,w1,w2,w3,Physics\n";
    const TaskSet set = read(text, "gpqa.csv");
    EXPECT_EQ(set.layout, TaskLayout::kGpqa);
    ASSERT_EQ(set.items.size(), 40U);
    std::map<std::string, int> letters;
    for (const TaskItem& item : set.items) {
        ++letters[item.reference];
        EXPECT_NE(item.prompt.find("\n" + item.reference + ". right"), std::string::npos) << item.prompt;
        EXPECT_EQ(item.kind, "Physics");
    }
    EXPECT_EQ(letters.size(), 4U);
    EXPECT_EQ(read(text, "gpqa.csv").items[7].prompt, set.items[7].prompt);
    EXPECT_NE(refusal("Question,Correct Answer\na,b\n", "g.csv").find("Incorrect Answer 1"), std::string::npos);
}

TEST(TaskSet, ReadsListsOfPrompts) {
    EXPECT_EQ(read("Hello there\n\nWhat is 2 + 2?\n", "p.txt").items.size(), 2U);
    const TaskSet set = read(R"({"prompt": "Hello"})");
    EXPECT_EQ(set.layout, TaskLayout::kPromptList);
    EXPECT_EQ(set.rule.kind(), AnswerKind::kNone);
}

TEST(TaskSet, RefusesWhatDoesNotFitAndSaysWhere) {
    EXPECT_NE(refusal("").find("no items"), std::string::npos);
    EXPECT_NE(refusal("{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": \"a\"}").find("t.jsonl, line 2"),
              std::string::npos);
    EXPECT_NE(refusal("{\"prompt\": \"a\", \"answer\": \"b\"}\n[1]").find("line 2"), std::string::npos);
    EXPECT_NE(refusal("{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\":").find("line 2"), std::string::npos);
    EXPECT_NE(refusal(R"({"prompt": 3, "answer": "b"})").find("field prompt"), std::string::npos);
    EXPECT_EQ(parseTaskLayout("gsm8k", "x"), TaskLayout::kGsm8k);
    for (const TaskLayout layout : {TaskLayout::kHumanEval, TaskLayout::kText})
        EXPECT_EQ(parseTaskLayout(taskLayoutName(layout), "x"), layout);
    EXPECT_THROW(parseTaskLayout("GSM8K", "field layout"), Error);
    EXPECT_THROW(readTaskSet(std::filesystem::path("/nowhere/t.jsonl"), TaskLayout::kAuto), Error);
}

TEST(TaskSet, ReadsHumanEval) {
    const std::string line =
        R"x({"task_id": "HumanEval/3", "prompt": "def f():\n    \"\"\" One. \"\"\"\n", "entry_point": "f", "canonical_solution": "    return 1\n", "test": "def check(c):\n    assert c() == 1"})x";
    const TaskSet set = read(line);
    EXPECT_EQ(set.layout, TaskLayout::kHumanEval);
    EXPECT_EQ(set.rule.kind(), AnswerKind::kNone) << "its own evaluator judges";
    ASSERT_EQ(set.problems.size(), 1U);
    EXPECT_EQ(set.problems[0].task_id, "HumanEval/3");
    EXPECT_EQ(set.problems[0].entry_point, "f");
    EXPECT_EQ(set.items[0].prompt, humanEvalQuestion(set.problems[0]));
    EXPECT_EQ(set.items[0].reference, "    return 1\n");
    EXPECT_NE(refusal(R"({"prompt": "x", "entry_point": "f"})").find("line 1: A field is missing"), std::string::npos);
}

TEST(TaskSet, ATextIsTakenAsItIsAndOnlyWhereItIsAskedFor) {
    const std::string text = " \n = Valkyria Chronicles III = \n \n Senj\xC5\x8D no Valkyria 3 : <unk> \n";
    const TaskSet set = read(text, "wiki.test.raw", TaskLayout::kText);
    EXPECT_EQ(set.text, text);
    EXPECT_TRUE(set.items.empty()) << "a tokenizer cuts it";
    EXPECT_EQ(read(text, "wiki.test.raw").layout, TaskLayout::kPromptList);
}

TEST(ReadCsv, TakesQuotedFieldsAndNamesTheLineOfWhatIsWrong) {
    const auto records = readCsv("a,\"b,\"\"c\"\"\nd\"\r\n,\n", "f.csv");
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[0], (std::vector<std::string>{"a", "b,\"c\"\nd"}));
    EXPECT_EQ(records[1], (std::vector<std::string>{"", ""}));
    const auto where = [](std::string_view text) {
        try {
            readCsv(text, "f.csv");
        } catch (const Error& error) {
            return error.parts().where;
        }
        return std::string("(accepted)");
    };
    EXPECT_EQ(where("a,b\nc\n"), "f.csv, line 2");
    EXPECT_EQ(where("a,b\nc,\"d"), "f.csv, line 2");
    EXPECT_EQ(where("a\"b\n"), "f.csv, line 1");
    EXPECT_EQ(where("\"a\"b\n"), "f.csv, line 1");
}

}  // namespace
}  // namespace mixoscope
