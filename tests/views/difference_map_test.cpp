// Maps below the lanes: load shares, their differences, overlap and divergence by token.
#include "views/difference_map.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sample_comparison_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::judge;
using test::sampleComparison;
using test::sampleLane;

/// A uses experts 0 and 1, B experts 1 and 2, in every row and layer.
std::shared_ptr<ComparisonSnapshot> twoLanes() {
    return sampleComparison({sampleLane(0, "model", {.tokens = {"a", "b", "c", "d"}, .experts = {0, 1}}),
                             sampleLane(1, "random", {.tokens = {"a", "x", "c", "d"}, .experts = {1, 2}})});
}

TEST(DifferenceMap, LoadSharesAreOfTheLayersSelectionsInPercent) {
    DifferenceMaps maps;
    maps.update(*twoLanes(), LaneMeasure::kLoadShare, 100);
    const DifferenceMap& base = maps.maps()[0];
    ASSERT_EQ(base.data.rows, 2);
    ASSERT_EQ(base.data.columns, 8);
    EXPECT_FALSE(base.symmetric);
    EXPECT_FLOAT_EQ(base.data.at(0, 0), 50.0F);
    EXPECT_FLOAT_EQ(base.data.at(1, 1), 50.0F);
    EXPECT_FLOAT_EQ(base.data.at(0, 2), 0.0F);
    const DifferenceMap& other = maps.maps()[1];
    EXPECT_TRUE(other.symmetric);
    EXPECT_FLOAT_EQ(other.data.low, -other.data.high);
    EXPECT_FLOAT_EQ(other.data.at(0, 0), -50.0F);
    EXPECT_FLOAT_EQ(other.data.at(0, 1), 0.0F);
    EXPECT_FLOAT_EQ(other.data.at(0, 2), 50.0F);
    EXPECT_TRUE(other.title.contains(u"B − A"_s));
    EXPECT_TRUE(other.remark.contains(u"load moved: 50.0 %"_s)) << other.remark.toStdString();
    EXPECT_TRUE(base.remark.contains(u"free run"_s));
}

TEST(DifferenceMap, AllLanesShareOneScaleAndClippedEndsAreKnown) {
    auto comparison = sampleComparison({sampleLane(0, "model", {.tokens = {"a", "b"}, .experts = {0, 1}}),
                                        sampleLane(1, "random", {.tokens = {"a", "b"}, .experts = {1, 2}}),
                                        sampleLane(2, "model", {.tokens = {"a", "b"}, .experts = {0, 1}})});
    DifferenceMaps maps;
    maps.update(*comparison, LaneMeasure::kLoadShare, 100);
    EXPECT_EQ(maps.maps()[1].data.high, maps.maps()[2].data.high);
    EXPECT_GE(maps.maps()[1].data.high, 50.0F);
    EXPECT_FALSE(maps.maps()[1].clipped_high);
    EXPECT_FALSE(maps.maps()[2].clipped_low);
    for (const float value : maps.maps()[2].data.values) EXPECT_EQ(value, 0.0F);
}

TEST(DifferenceMap, WhatLiesBeyondTheScaleIsClippedAndSaysSo) {
    std::vector<ComparedLane> lanes;
    for (std::int32_t tag = 0; tag < 8; ++tag)
        lanes.push_back(sampleLane(tag, "model", {.tokens = {"a", "b"}, .experts = {0, 1}}));
    auto comparison = sampleComparison(std::move(lanes));
    // One lane of eight has two cells of 112 that differ: less than the scale has to cover.
    auto load = std::make_shared<LoadCounter>(test::kComparedShape);
    const std::vector<std::int16_t> experts{0, 2, 0, 1};  // of two layers
    const std::vector<float> weights(4, 0.5F);
    const std::vector<RouterFacts> router(2, {.active = 2});
    StepTrace trace;
    trace.token = {.position = 0, .phase = Phase::kThinking};
    trace.expert_ids = experts;
    trace.expert_weights = weights;
    trace.router = router;
    load->add(trace);
    comparison->lanes[1].free.load = load;
    DifferenceMaps maps;
    maps.update(*comparison, LaneMeasure::kLoadShare, 100);
    const DifferenceMap& map = maps.maps()[1];
    EXPECT_FLOAT_EQ(map.data.at(0, 1), -50.0F);
    EXPECT_FLOAT_EQ(map.data.at(0, 2), 50.0F);
    EXPECT_LT(map.data.high, 50.0F);
    EXPECT_TRUE(map.clipped_low);
    EXPECT_TRUE(map.clipped_high);
    EXPECT_FALSE(maps.maps()[2].clipped_low);
    EXPECT_FALSE(maps.maps()[2].clipped_high);
}

TEST(DifferenceMap, OverlapAndDivergenceNeedTheForcedPass) {
    auto comparison = twoLanes();
    DifferenceMaps maps;
    for (const LaneMeasure measure : {LaneMeasure::kOverlap, LaneMeasure::kDivergence}) {
        maps.update(*comparison, measure, 100);
        EXPECT_EQ(maps.maps()[1].data.rows, 0);
        EXPECT_TRUE(maps.maps()[1].reason.contains(u"teacher-forced"_s));
        EXPECT_TRUE(maps.maps()[0].reason.contains(u"baseline"_s));
    }
    const ComparedLane base = comparison->lanes[0];
    judge(comparison->lanes[0], base, {0, 0, 0, 0}, 0.4);
    judge(comparison->lanes[1], base, {0.1, 2.0, 0.3, 0.2}, 1.4);
    maps.update(*comparison, LaneMeasure::kOverlap, 100);
    const DifferenceMap& overlap = maps.maps()[1];
    ASSERT_EQ(overlap.data.rows, 2);
    // Rows from the one before the first generated token on: 4 tokens and the row of the last.
    ASSERT_EQ(overlap.data.columns, 5);
    EXPECT_NEAR(overlap.data.at(1, 2), 1.0 / 3.0, 1e-6);  // {0, 1} and {1, 2}
    maps.update(*comparison, LaneMeasure::kDivergence, 100);
    const DifferenceMap& divergence = maps.maps()[1];
    ASSERT_EQ(divergence.data.columns, 4);
    EXPECT_FLOAT_EQ(divergence.data.at(0, 1), 2.0F);
    EXPECT_GE(divergence.data.high, 2.0F);
    EXPECT_EQ(maps.maps()[0].data.rows, 0);
}

/// Rows with experts of their own in each of the two layers.
History historyOf(const std::vector<std::vector<std::int16_t>>& rows) {
    HistoryWriter writer(test::kComparedShape);
    const std::vector<float> weights(4, 0.5F);
    const std::vector<RouterFacts> router(2, {.active = 2});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        StepTrace trace;
        trace.step = static_cast<Step>(row);
        trace.token = {.position = static_cast<std::int32_t>(row), .id = 1, .phase = Phase::kThinking};
        trace.expert_ids = rows[row];
        trace.expert_weights = weights;
        trace.router = router;
        writer.addRow(trace, "a");
    }
    return writer.publish();
}

TEST(DifferenceMap, OverlapIsThatOfEachLayerAtEachToken) {
    auto comparison = twoLanes();
    const ComparedLane base = comparison->lanes[0];
    judge(comparison->lanes[0], base, {0, 0, 0, 0}, 0.4);
    judge(comparison->lanes[1], base, {0.1, 2.0, 0.3, 0.2}, 1.4);
    const std::vector<std::int16_t> same{0, 1, 0, 1};
    comparison->lanes[0].forced.history = historyOf(std::vector(7, same));
    comparison->lanes[1].forced.history =
        historyOf({same, same, {0, 1, 2, 3}, {0, 2, 0, 1}, {2, 3, 0, 2}, {2, 3, 2, 3}, {0, 1, 2, 3}});
    constexpr float kThird = 1.0F / 3.0F;
    const std::vector<std::vector<float>> expected{{1.0F, kThird, 0.0F, 0.0F, 1.0F}, {0.0F, 1.0F, kThird, 0.0F, 0.0F}};
    DifferenceMaps maps;
    maps.update(*comparison, LaneMeasure::kOverlap, 100);
    const DifferenceMap& tokens = maps.maps()[1];
    ASSERT_EQ(tokens.data.rows, 2);
    ASSERT_EQ(tokens.data.columns, 5);
    for (std::int32_t layer = 0; layer < 2; ++layer) {
        for (std::int32_t column = 0; column < 5; ++column) {
            EXPECT_FLOAT_EQ(tokens.data.at(layer, column),
                            expected[static_cast<std::size_t>(layer)][static_cast<std::size_t>(column)])
                << "layer " << layer << ", column " << column;
        }
    }
    maps.update(*comparison, LaneMeasure::kOverlap, 2);  // three tokens a column, two in the last
    const DifferenceMap& means = maps.maps()[1];
    ASSERT_EQ(means.data.columns, 2);
    EXPECT_FLOAT_EQ(means.data.at(0, 0), 4.0F / 9.0F);
    EXPECT_FLOAT_EQ(means.data.at(0, 1), 0.5F);
    EXPECT_FLOAT_EQ(means.data.at(1, 0), 4.0F / 9.0F);
    EXPECT_FLOAT_EQ(means.data.at(1, 1), 0.0F);
}

TEST(DifferenceMap, SeveralTokensInAColumnShowTheLargestDivergence) {
    auto comparison = twoLanes();
    const ComparedLane base = comparison->lanes[0];
    judge(comparison->lanes[0], base, {0, 0, 0, 0}, 0.4);
    judge(comparison->lanes[1], base, {0.1, 2.0, 0.3, 0.2}, 1.4);
    DifferenceMaps maps;
    maps.update(*comparison, LaneMeasure::kDivergence, 2);
    const DifferenceMap& map = maps.maps()[1];
    ASSERT_EQ(map.data.columns, 2);
    EXPECT_EQ(map.data.tokens_per_column, 2);
    EXPECT_FLOAT_EQ(map.data.at(0, 0), 2.0F);
    EXPECT_FLOAT_EQ(map.data.at(0, 1), 0.3F);
    EXPECT_TRUE(map.column_title.contains(u"largest"_s));
}

TEST(DifferenceMap, OverlapFollowsAPassThatGrowsAndForgetsAnotherOne) {
    const auto history = [](int tokens, std::vector<std::int16_t> experts) {
        return sampleLane(0, "model",
                          {.tokens = std::vector<std::string>(static_cast<std::size_t>(tokens), "a"),
                           .experts = std::move(experts)})
            .free.history;
    };
    OverlapCells cells;
    cells.update(history(4, {0, 1}), history(2, {0, 1}), 2);
    EXPECT_EQ(cells.tokens(), 3);
    EXPECT_EQ(cells.at(0, 1), 1.0F);
    cells.update(history(4, {0, 1}), history(4, {0, 1}), 2);
    EXPECT_EQ(cells.tokens(), 5);
    cells.update(history(4, {0, 1}), history(1, {2, 3}), 2);
    EXPECT_EQ(cells.tokens(), 2);
    EXPECT_EQ(cells.at(1, 0), 0.0F);
}

}  // namespace
}  // namespace mixoscope
