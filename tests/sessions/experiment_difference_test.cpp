// What is said of two experiments that are not the same.
#include "sessions/experiment_difference.h"

#include <gtest/gtest.h>

namespace mixoscope {
namespace {

void expectDifference(const std::string& first, const std::string& second, const std::string& said_first,
                      const std::string& said_second) {
    const ExperimentDifference difference = experimentDifference(first, second);
    EXPECT_EQ(difference.first, said_first);
    EXPECT_EQ(difference.second, said_second);
}

TEST(ExperimentDifference, TellsOnlyWhatDiffers) {
    expectDifference(R"({"model": "a", "lanes": 8})", R"({"lanes": 8, "model": "a"})", "", "");
    expectDifference(R"({"model": "a", "lanes": 8})", R"({"model": "a", "lanes": 4})", "lanes = 8", "lanes = 4");
    expectDifference(R"({"name": "x", "seeds": [0]})", R"({"name": "y", "seeds": [1]})",
                     "name = \"x\"; seeds, choice 1 = 0", "name = \"y\"; seeds, choice 1 = 1");
    expectDifference(R"({"max_tokens": 9})", "{}", "max_tokens = 9", "no max_tokens");
}

TEST(ExperimentDifference, GoesIntoListsOfTheSameLength) {
    expectDifference(R"({"policies": ["model", "random"]})", R"({"policies": ["model", "hash"]})",
                     "policies, choice 2 = \"random\"", "policies, choice 2 = \"hash\"");
    expectDifference(R"({"policies": ["model"]})", R"({"policies": ["model", "hash"]})", "policies of 1 choice",
                     "policies of 2 choices");
    expectDifference(R"({"tasks": [{"file": "/a", "limit": 3}]})", R"({"tasks": [{"file": "/b", "limit": 3}]})",
                     "tasks, choice 1, file = \"/a\"", "tasks, choice 1, file = \"/b\"");
}

TEST(ExperimentDifference, CutsAndCountsWhatIsTooMuchToTell) {
    expectDifference(R"({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1})", "{}", "a = 1; b = 1; c = 1; d = 1",
                     "no a; no b; no c; no d; and 2 more differ");
    const std::string text(80, 'x');
    const ExperimentDifference cut =
        experimentDifference(R"({"name": ")" + text + R"(1"})", R"({"name": ")" + text + R"(2"})");
    EXPECT_TRUE(cut.first.starts_with("name = \"xxx")) << cut.first;
    EXPECT_EQ(cut.second, "another name");
}

}  // namespace
}  // namespace mixoscope
