// Which word a mistyped one is taken for.
#include "app/nearest_word.h"

#include <gtest/gtest.h>

namespace mixoscope {
namespace {

const std::vector<std::string> kWords = {"info", "generate", "compare", "sweep", "export", "demo", "demo-any"};

TEST(NearestWord, OneOrTwoLettersAreForgiven) {
    EXPECT_EQ(nearestWord("dmeo", kWords), "demo") << "swapped";
    EXPECT_EQ(nearestWord("epxrot", kWords), "export") << "two pairs swapped";
    EXPECT_EQ(nearestWord("generat", kWords), "generate") << "left out";
    EXPECT_EQ(nearestWord("swweep", kWords), "sweep") << "twice";
    EXPECT_EQ(nearestWord("xeport", kWords), "export");
    EXPECT_EQ(nearestWord("conpere", kWords), "compare") << "two replaced";
    EXPECT_EQ(nearestWord("sweep", kWords), "sweep");
}

TEST(NearestWord, FarWordsAreNotGuessed) {
    EXPECT_EQ(nearestWord("oscilloscope", kWords), "");
    EXPECT_EQ(nearestWord("fly", kWords), "");
    EXPECT_EQ(nearestWord("a", kWords), "");
    EXPECT_EQ(nearestWord("", kWords), "");
    EXPECT_EQ(nearestWord("demo", {}), "");
}

}  // namespace
}  // namespace mixoscope
