#include "views/token_axis.h"

#include <gtest/gtest.h>

#include "views/axis_ticks.h"

namespace mixoscope {
namespace {

TokenAxis axisOf(std::int32_t tokens, double width) {
    TokenAxis axis;
    axis.setWidth(100.0, width);
    axis.setTokenCount(tokens);
    return axis;
}

TEST(TokenAxis, showsEverythingWhileItFits) {
    const TokenAxis axis = axisOf(200, 400.0);
    EXPECT_DOUBLE_EQ(axis.tokenWidth(), 2.0);
    EXPECT_EQ(axis.firstVisible(), 0);
    EXPECT_EQ(axis.endVisible(), 200);
    EXPECT_DOUBLE_EQ(axis.toX(50), 200.0);
    EXPECT_DOUBLE_EQ(axis.toPosition(200.0), 50.0);
}

TEST(TokenAxis, followsTheNewestTokenOnceItNoLongerFits) {
    TokenAxis axis = axisOf(1000, 400.0);
    EXPECT_EQ(axis.firstVisible(), 800);
    EXPECT_EQ(axis.endVisible(), 1000);
    axis.setTokenCount(1001);
    EXPECT_EQ(axis.firstVisible(), 801);
    axis.panBy(-100);
    EXPECT_FALSE(axis.follow());
    axis.setTokenCount(1100);
    EXPECT_EQ(axis.firstVisible(), 701) << "a manual pan ends following";
    axis.setFollow(true);
    EXPECT_EQ(axis.endVisible(), 1100);
}

TEST(TokenAxis, fewTokensAreNotStretched) {
    const TokenAxis axis = axisOf(3, 480.0);
    EXPECT_DOUBLE_EQ(axis.tokenWidth(), 20.0);
    EXPECT_EQ(axis.tokenAt(100.0 + 59.0), 2);
    EXPECT_EQ(axis.tokenAt(100.0 + 61.0), -1);
    EXPECT_EQ(axis.nearestToken(100.0 + 400.0), 2);
    EXPECT_EQ(axis.nearestToken(0.0), 0);
    EXPECT_EQ(axisOf(0, 480.0).nearestToken(200.0), -1);
}

TEST(TokenAxis, zoomKeepsWhatIsUnderThePointer) {
    TokenAxis axis = axisOf(200, 400.0);
    axis.setFollow(false);
    const double before = axis.toPosition(250.0);
    axis.zoomAbout(250.0, 1.5);
    EXPECT_NEAR(axis.toPosition(250.0), before, 1e-9);
    EXPECT_NEAR(axis.tokenWidth(), 3.0, 1e-9);
    axis.zoomAbout(250.0, 1e6);
    EXPECT_LE(axis.end() - axis.begin(), 4.0 + 1e-9) << "at most this close";
    axis.zoomAbout(250.0, 1e-9);
    EXPECT_DOUBLE_EQ(axis.begin(), 0.0);
    EXPECT_DOUBLE_EQ(axis.end(), 200.0);
}

TEST(TokenAxis, revealMovesNoFurtherThanNeeded) {
    TokenAxis axis = axisOf(1000, 400.0);
    axis.reveal(900);
    EXPECT_TRUE(axis.follow()) << "visible already";
    axis.reveal(700);
    EXPECT_EQ(axis.firstVisible(), 700);
    axis.reveal(950);
    EXPECT_EQ(axis.endVisible(), 951);
    axis.resetZoom();
    EXPECT_TRUE(axis.follow());
    EXPECT_EQ(axis.endVisible(), 1000);
}

TEST(TokenAxis, columnsDoubleUntilTheyAreWideEnough) {
    EXPECT_EQ(tokensPerColumn(2.0, 2.0), 1);
    EXPECT_EQ(tokensPerColumn(1.9, 2.0), 2);
    EXPECT_EQ(tokensPerColumn(0.3, 2.0), 8);
}

TEST(AxisTicks, integersAreRoundAndApart) {
    EXPECT_EQ(integerTicks(0, 234, 1.73, 34),
              (std::vector<std::int32_t>{0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220}));
    EXPECT_EQ(integerTicks(7.5, 12, 50, 40), (std::vector<std::int32_t>{8, 9, 10, 11, 12}));
    EXPECT_TRUE(integerTicks(0, 10, 0, 40).empty());
}

TEST(AxisTicks, idsEndWithTheLast) {
    EXPECT_EQ(idTicks(128, 2.6, 40), (std::vector<std::int32_t>{0, 16, 32, 48, 64, 80, 96, 112, 127}));
    EXPECT_EQ(idTicks(4, 60, 17), (std::vector<std::int32_t>{0, 1, 2, 3}));
    EXPECT_EQ(idTicks(1, 60, 17), (std::vector<std::int32_t>{0}));
    EXPECT_TRUE(idTicks(0, 60, 17).empty());
}

TEST(AxisTicks, valueScalesHaveRoundEnds) {
    const ValueScale scale = niceScale(0.0, 1.13, 6);
    EXPECT_DOUBLE_EQ(scale.step, 0.2);
    EXPECT_DOUBLE_EQ(scale.high, 1.2);
    EXPECT_EQ(scale.decimals, 1);
    EXPECT_EQ(scale.ticks().size(), 7u);
    EXPECT_DOUBLE_EQ(roundUp125(0.3), 0.5);
    EXPECT_DOUBLE_EQ(roundUp125(0.2), 0.2);
    EXPECT_DOUBLE_EQ(roundUp125(7.0), 10.0);
    EXPECT_DOUBLE_EQ(roundUp125(0.0), 1.0);
}

}  // namespace
}  // namespace mixoscope
