// How answers are taken from texts and judged.
#include "sessions/answer_rule.h"

#include <gtest/gtest.h>

#include <chrono>

#include "engine/error.h"

namespace mixoscope {
namespace {

AnswerRule rule(const std::string& text) {
    return AnswerRule::parse(text, "field answer");
}
std::string extracted(const std::string& kind, const std::string& text) {
    return rule(kind).extract(text).value_or("(none)");
}

TEST(AnswerRule, TakesTheLastNumberInOneForm) {
    EXPECT_EQ(extracted("last-number", "First 3, then the answer is 1,024."), "1024");
    EXPECT_EQ(extracted("last-number", "It costs $12.50"), "12.5");
    EXPECT_EQ(extracted("last-number", "12.00 or 007"), "7");
    EXPECT_EQ(extracted("last-number", "0.50"), "0.5");
    EXPECT_EQ(extracted("last-number", "It is -5."), "-5");
    EXPECT_EQ(extracted("last-number", "10-3"), "3") << "a difference holds no negative number";
    EXPECT_EQ(extracted("last-number", "(a)-3"), "3");
    EXPECT_EQ(extracted("last-number", "-0"), "0");
    EXPECT_EQ(extracted("last-number", "1,2,3"), "3") << "commas of a list are no thousands";
    EXPECT_EQ(extracted("last-number", "1,234,567 people"), "1234567");
    EXPECT_EQ(extracted("last-number", "none at all"), "(none)");
    EXPECT_TRUE(rule("last-number").correct("so 1024.0", "1,024"));
    EXPECT_FALSE(rule("last-number").correct("so 1025", "1024"));
    EXPECT_FALSE(rule("last-number").correct("nothing", "1024"));
}

TEST(AnswerRule, TakesWhatTheLastBoxHolds) {
    EXPECT_EQ(extracted("boxed", R"(So \boxed{1} and then \boxed{\frac{1}{2}}.)"), R"(\frac{1}{2})");
    EXPECT_EQ(extracted("boxed", R"($\boxed{ 042 }$)"), "42");
    EXPECT_EQ(extracted("boxed", R"(\boxed{\text{yes}})"), "yes");
    EXPECT_EQ(extracted("boxed", R"(\boxed{cut off)"), "(none)");
    EXPECT_EQ(extracted("boxed", "42"), "(none)");
    EXPECT_TRUE(rule("boxed").correct(R"(\boxed{(1, 2)})", "(1,2)"));
    EXPECT_FALSE(rule("boxed").correct(R"(\boxed{(2,1)})", "(1,2)"));
}

TEST(AnswerRule, TakesTheLetterThatIsNamedAsTheAnswer) {
    EXPECT_EQ(extracted("option", "A is wrong. The answer is (C)."), "C");
    EXPECT_EQ(extracted("option", "The answer is B, not A"), "B");
    EXPECT_EQ(extracted("option", "Answer: **D**"), "D");
    EXPECT_EQ(extracted("option", R"(\boxed{E} after A)"), "E");
    EXPECT_EQ(extracted("option", "I would take\nF"), "F");
    EXPECT_EQ(extracted("option", "The answer is Great"), "(none)") << "a letter that begins a word";
    EXPECT_EQ(extracted("option", "K"), "(none)");
    EXPECT_TRUE(rule("option").correct("the ANSWER IS (j)... no: J", "J"));
}

TEST(AnswerRule, ComparesWholeTextsAndPatterns) {
    EXPECT_TRUE(rule("exact").correct(" The answer is 3.\n", "The answer is 3."));
    EXPECT_FALSE(rule("exact").correct("the answer is 3.", "The answer is 3."));
    EXPECT_EQ(extracted("pattern:#### (\\d+)", "#### 1 then #### 22"), "22");
    EXPECT_EQ(extracted("pattern:\\d+", "7 and 8"), "8");
    EXPECT_TRUE(rule("pattern:x=(\\w+)").correct("so x=abc", "abc"));
    EXPECT_FALSE(rule("none").correct("a", "a"));
}

TEST(AnswerRule, ReadsItsOwnText) {
    for (const char* text : {"none", "exact", "last-number", "boxed", "option", "pattern:a+"})
        EXPECT_EQ(rule(text).text(), text);
    for (const char* text : {"", "numbers", "pattern:", "pattern:(", "Exact"}) {
        try {
            rule(text);
            ADD_FAILURE() << text;
        } catch (const Error& error) {
            EXPECT_EQ(error.parts().where, "field answer");
        }
    }
}

TEST(AnswerRule, AHostilePatternFindsNothingInsteadOfHanging) {
    // Exponential in the length of the text: without the limit this takes longer than the universe has existed.
    EXPECT_EQ(rule("pattern:(a+)+b").extract(std::string(60, 'a') + "c"), std::nullopt);
}

}  // namespace
}  // namespace mixoscope
