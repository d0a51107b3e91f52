// Names of session files and titles: short, safe for any file system, and never one that is taken.
#include "sessions/session_name.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

TEST(SessionName, aSlugIsShortAndHasNoSignsThatNeedQuoting) {
    EXPECT_EQ(slugOf("What is 2 + 3? /think"), "what-is-2-3-think");
    EXPECT_EQ(slugOf(" --Hi!-- "), "hi");
    EXPECT_EQ(slugOf("日本語"), "session");
    EXPECT_EQ(slugOf(""), "session");
    EXPECT_EQ(slugOf(std::string(100, 'a')), std::string(40, 'a'));
    EXPECT_EQ(slugOf(std::string(39, 'a') + " bc"), std::string(39, 'a')) << "no gap at the end";
}

TEST(SessionName, aTitleIsTheFirstLineAndCutAtACharacter) {
    EXPECT_EQ(titleOf("\n  one\ntwo", 80), "one");
    EXPECT_EQ(titleOf("日本語", 9), "日本語");
    EXPECT_EQ(titleOf("日本語", 8), "日本…");
    EXPECT_EQ(titleOf("日本語", 4), "日…");
}

TEST(SessionName, aNameThatIsTakenGetsANumber) {
    const test::TemporaryDirectory directory;
    constexpr std::time_t kNow = 1'700'000'000;
    const auto first = newSessionPath(directory.path(), "Hi", kNow);
    EXPECT_TRUE(first.filename().string().ends_with("-hi.mixo")) << first;
    std::ofstream(first).flush();
    const auto second = newSessionPath(directory.path(), "Hi", kNow);
    EXPECT_EQ(second.stem().string(), first.stem().string() + "-2");
    std::ofstream(second).flush();
    EXPECT_EQ(newSessionPath(directory.path(), "Hi", kNow).stem().string(), first.stem().string() + "-3");
}

}  // namespace
}  // namespace mixoscope
