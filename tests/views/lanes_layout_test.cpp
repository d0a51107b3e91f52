// Texts aligned by token, without a window.
#include "views/lanes_layout.h"

#include <gtest/gtest.h>

#include "sample_comparison_test.h"

namespace mixoscope {
namespace {

using test::sampleLane;
using test::SampleText;

/// Ten pixels a byte.
double tenPerByte(const TokenRecord& token) {
    return 10.0 * static_cast<double>(token.bytes.size());
}

std::vector<std::string> repeated(const std::string& token, int count) {
    return std::vector<std::string>(static_cast<std::size_t>(count), token);
}

AlignedLane laneOf(std::int32_t tag, std::vector<std::string> tokens, bool ended = true) {
    return alignedLane(sampleLane(tag, "model", {.tokens = std::move(tokens), .ended = ended}));
}

TEST(AlignedRows, EveryLaneHasTheSameTokensInARow) {
    AlignedRows rows(tenPerByte);
    rows.setShape(4, 1000.0);
    rows.update({laneOf(0, repeated("a", 10)), laneOf(1, repeated("long", 6))});
    EXPECT_EQ(rows.rowCount(), 3);  // of the longer lane
    EXPECT_EQ(rows.tokenCount(), 10);
    for (const std::size_t lane : {0U, 1U}) {
        const auto placed = rows.place(lane, 1);
        ASSERT_FALSE(placed.empty());
        EXPECT_EQ(placed.front().index, 4);
        EXPECT_EQ(placed.front().left, 0.0);
    }
    EXPECT_EQ(rows.place(0, 1)[3].left, 30.0);
    EXPECT_EQ(rows.place(1, 1).size(), 2U);  // the lane ends within the row
    EXPECT_TRUE(rows.place(1, 2).empty());
}

TEST(AlignedRows, ARowThatOneLaneBreaksIsTallerInAllLanes) {
    AlignedRows rows(tenPerByte);
    rows.setShape(4, 100.0);
    rows.update({laneOf(0, repeated("a", 8)), laneOf(1, {"a", "a", "a", "a", "longer", "longer", "longer", "a"})});
    EXPECT_EQ(rows.firstLine(1), 1);
    EXPECT_EQ(rows.lineCount(), 4);  // 1 + 3: a row of three long tokens needs three lines of 100 pixels
    EXPECT_EQ(rows.rowAtLine(0), 0);
    EXPECT_EQ(rows.rowAtLine(1), 1);
    EXPECT_EQ(rows.rowAtLine(3), 1);
    const auto placed = rows.place(1, 1);
    EXPECT_EQ(placed[1].line, 1);
    EXPECT_EQ(placed[2].line, 2);
    EXPECT_EQ(placed[3].line, 2);
    EXPECT_EQ(placed[3].left, 60.0);
}

TEST(AlignedRows, ALaneThatComesLaterMovesTheRowsBelowIt) {
    AlignedRows rows(tenPerByte);
    rows.setShape(2, 100.0);
    auto base = sampleLane(0, "model", {.tokens = repeated("a", 8)});
    const auto slow = [](int tokens) {
        return alignedLane(sampleLane(1, "model", {.tokens = repeated("sixsix", tokens), .ended = false}));
    };
    rows.update({alignedLane(base), slow(1)});
    EXPECT_EQ(rows.lineCount(), 4);
    rows.update({alignedLane(base), slow(4)});
    EXPECT_EQ(rows.firstLine(1), 2);
    EXPECT_EQ(rows.firstLine(2), 4);
    EXPECT_EQ(rows.lineCount(), 6);
}

TEST(AlignedRows, AnUpdateCostsTheTokensThatAreNew) {
    AlignedRows rows(tenPerByte);
    rows.setShape(8, 1000.0);
    rows.update({laneOf(0, repeated("a", 2000), false)});
    EXPECT_EQ(rows.tokensMeasured(), 2000);
    rows.update({laneOf(0, repeated("a", 2003), false)});
    EXPECT_EQ(rows.tokensMeasured(), 2003);
    rows.place(0, 100);
    EXPECT_EQ(rows.tokensMeasured(), 2003);
}

TEST(AlignedRows, AnotherRunIsMeasuredAnew) {
    AlignedRows rows(tenPerByte);
    rows.setShape(4, 100.0);
    rows.update({laneOf(0, repeated("longer", 40))});
    const std::int32_t before = rows.lineCount();
    rows.update({laneOf(3, repeated("a", 40))});  // another lane in its place
    EXPECT_LT(rows.lineCount(), before);
    rows.update({laneOf(3, repeated("a", 2))});  // the lane began again
    EXPECT_EQ(rows.rowCount(), 1);
    EXPECT_EQ(rows.tokenCount(), 2);
    rows.update({});
    EXPECT_EQ(rows.rowCount(), 0);
    EXPECT_EQ(rows.lineCount(), 0);
}

TEST(AlignedRows, AnotherWidthBreaksAnew) {
    AlignedRows rows(tenPerByte);
    rows.setShape(4, 100.0);
    rows.update({laneOf(0, repeated("longer", 8))});
    EXPECT_EQ(rows.lineCount(), 8);
    rows.setShape(8, 1000.0);
    EXPECT_EQ(rows.rowCount(), 1);
    EXPECT_EQ(rows.lineCount(), 1);
}

TEST(AlignedLanes, DifferAtAPlaceByTheirTokensAndByTheirEnds) {
    const AlignedLane base = laneOf(0, {"a", "b", "c"});
    const AlignedLane lane = laneOf(1, {"a", "x", "c", "d"});
    EXPECT_FALSE(differsFrom(base, lane, 0));
    EXPECT_TRUE(differsFrom(base, lane, 1));
    EXPECT_FALSE(differsFrom(base, lane, 2));                               // the same again at this place
    EXPECT_TRUE(differsFrom(base, lane, 3));                                // the baseline ended before
    EXPECT_FALSE(differsFrom(laneOf(0, {"a", "b", "c"}, false), lane, 3));  // it may still get there
}

TEST(AlignedLanes, PromptsOfDifferentLengthAlignAtTheFirstGeneratedToken) {
    const AlignedLane base = alignedLane(sampleLane(0, "model", {.tokens = {"a", "b"}, .prompt = 3}));
    const AlignedLane lane = alignedLane(sampleLane(1, "model", {.tokens = {"a", "c"}, .prompt = 7}));
    EXPECT_EQ(lane.first, 7);
    EXPECT_FALSE(differsFrom(base, lane, 0));
    EXPECT_TRUE(differsFrom(base, lane, 1));
}

TEST(LaneColumns, ShareTheRoomOrScrollBelowTheFirst) {
    const LaneColumns two = LaneColumns::of(1250, 50, 2, 0);
    EXPECT_EQ(two.width, 600);
    EXPECT_EQ(two.furthest(), 0);
    const LaneColumns eight = LaneColumns::of(1250, 50, 8, 100);
    EXPECT_EQ(eight.width, kNarrowestLane);
    EXPECT_EQ(eight.furthest(), 8 * 300 + 50 - 1250);
    EXPECT_EQ(eight.left(0), 50);  // stays
    EXPECT_EQ(eight.left(1), 250);
    EXPECT_EQ(eight.laneAt(60), 0);
    EXPECT_EQ(eight.laneAt(349), 0);  // lies over the second
    EXPECT_EQ(eight.laneAt(351), 1);
    EXPECT_EQ(eight.laneAt(10), -1);
    EXPECT_EQ(LaneColumns::of(1250, 50, 8, 99999).scroll, eight.furthest());
    EXPECT_EQ(LaneColumns::of(1250, 50, 0, 0).laneAt(100), -1);
}

}  // namespace
}  // namespace mixoscope
