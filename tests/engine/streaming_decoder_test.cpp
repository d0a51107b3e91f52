// Streams must show the same text however their bytes are cut, and never half a character on the way.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/tokenizer.h"
#include "engine/unicode.h"

namespace mixoscope {
namespace {

constexpr std::string_view kFffd = kReplacementCharacter;

std::string repeated(int count) {
    std::string text;
    for (int index = 0; index < count; ++index) text += kFffd;
    return text;
}

bool isWellFormed(std::string_view text) {
    return replaceInvalidUtf8(text) == text;
}

// Expected values: Python's bytes.decode("utf-8", "replace").
TEST(ReplaceInvalidUtf8, ReplacesEachMaximalSubpartOnce) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", ""},
        {"plain", "plain"},
        {"\x80", repeated(1)},
        {"a\xFFz", "a" + repeated(1) + "z"},
        {"\xC0\xAF", repeated(2)},
        {"\xE2\x82", repeated(1)},
        {"\xE2\x82"
         "A",
         repeated(1) + "A"},
        {"\xED\xA0\x80", repeated(3)},
        {"\xF0\x80\x80\x80", repeated(4)},
        {"\xF0\x9F\x98", repeated(1)},
        {"\xF0\x9F\x98\xF0\x9F\x98\x80", repeated(1) + "\xF0\x9F\x98\x80"},
        {"\xF4\x90\x80\x80", repeated(4)},
        {"\xF5\x80", repeated(2)},
        {"\xE0\x9F\xBF", repeated(3)},
        {"\xEF\xBF\xBF", "\xEF\xBF\xBF"},
    };
    for (const auto& [bytes, text] : cases)
        EXPECT_EQ(replaceInvalidUtf8(bytes), text) << ::testing::PrintToString(bytes);
}

TEST(StreamingDecoder, HoldsBackACharacterUntilItIsWhole) {
    StreamingDecoder decoder;
    EXPECT_EQ(decoder.push("a\xF0\x9F"), "a");
    EXPECT_FALSE(decoder.atCharacterBoundary());
    EXPECT_EQ(decoder.push("\x98"), "");
    EXPECT_EQ(decoder.push("\x80z"), "\xF0\x9F\x98\x80z");
    EXPECT_TRUE(decoder.atCharacterBoundary());
    EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamingDecoder, EndsACutCharacterWithOneReplacement) {
    StreamingDecoder decoder;
    EXPECT_EQ(decoder.push("\xF0\x9F\x98"), "");
    EXPECT_EQ(decoder.finish(), kFffd);
    EXPECT_TRUE(decoder.atCharacterBoundary());
    EXPECT_EQ(decoder.push("ok"), "ok");
}

TEST(StreamingDecoder, GivesTheSameTextHoweverTheBytesAreCut) {
    constexpr unsigned kSeed = 20261122;
    SCOPED_TRACE(kSeed);
    std::mt19937 random(kSeed);
    const std::vector<std::string> parts = {"a",    "\n",       "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                            "\x80", "\xE2\x82", "\xF0\x9F", "\xED\xA0\x80", "\xFF"};
    for (int round = 0; round < 500; ++round) {
        std::string bytes;
        for (auto count = random() % 20; count > 0; --count) bytes += parts[random() % parts.size()];
        StreamingDecoder decoder;
        std::string text;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t length = std::min<std::size_t>(1 + random() % 4, bytes.size() - at);
            const std::string piece = decoder.push(std::string_view(bytes).substr(at, length));
            EXPECT_TRUE(isWellFormed(piece));
            text += piece;
            at += length;
        }
        text += decoder.finish();
        ASSERT_EQ(text, replaceInvalidUtf8(bytes)) << ::testing::PrintToString(bytes);
    }
}

}  // namespace
}  // namespace mixoscope
