#include "views/chat_text.h"

#include <gtest/gtest.h>

#include <random>

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

TokenRecord token(std::int32_t position, std::string bytes) {
    TokenRecord record;
    record.trace.position = position;
    record.bytes = std::move(bytes);
    return record;
}

TEST(TokenText, ACharacterBelongsToTheTokenThatCompletesIt) {
    TokenText text;
    text.append(token(10, "a\xE2"));
    text.append(token(11, "\x82"));
    text.append(token(12, "\xAC z"));
    EXPECT_EQ(text.text(), u"a€ z"_s);
    EXPECT_EQ(text.tokenAt(0), 0);
    EXPECT_EQ(text.tokenAt(1), 2);
    EXPECT_EQ(text.tokenAt(3), 2);
    EXPECT_EQ(text.tokenAt(4), -1);
    EXPECT_EQ(text.indexOf(11), 1);
    EXPECT_EQ(text.indexOf(13), -1);
    const TextToken middle = text.shownCharacters(1);
    EXPECT_EQ(middle.start, 1);
    EXPECT_EQ(middle.end, 4);
}

TEST(TokenText, BytesThatAreNoCharacterBecomeReplacementCharacters) {
    TokenText text;
    text.append(token(0, "ok\xFF"));
    text.append(token(1, "\xF0\x9F"));
    EXPECT_EQ(text.text(), u"ok\uFFFD"_s);
    text.finish();
    EXPECT_EQ(text.text(), u"ok\uFFFD\uFFFD"_s);
}

TEST(TokenText, AnyCutOfATextGivesTheSameText) {
    const std::string whole = "\xEF\xBB\xBFнаучный  текст\n\t対話 👩‍🚀 e\xCC\x81 end";
    std::mt19937 random(42);
    RecordProperty("seed", "42");
    for (int round = 0; round < 200; ++round) {
        TokenText text;
        std::int32_t position = 0;
        for (std::size_t start = 0; start < whole.size();) {
            const std::size_t length = 1 + random() % 5;
            text.append(token(position++, whole.substr(start, length)));
            start += length;
        }
        text.finish();
        ASSERT_EQ(text.text().toUtf8().toStdString(), whole) << "round " << round;
        std::int32_t end = 0;
        for (const TextToken& part : text.tokens()) {
            ASSERT_EQ(part.start, end);
            end = part.end;
        }
        ASSERT_EQ(end, text.text().size());
    }
}

}  // namespace
}  // namespace mixoscope
