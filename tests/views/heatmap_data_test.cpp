#include <gtest/gtest.h>

#include <cmath>

#include "sample_snapshot_test.h"
#include "views/heatmap_image.h"
#include "views/phase_runs.h"

namespace mixoscope {
namespace {

using test::kDemoShape;
using test::SampleLane;

float chosenWeight(const History& history, std::int32_t position, std::int32_t layer, std::int32_t expert) {
    const auto experts = history.experts(position, layer);
    for (std::size_t slot = 0; slot < experts.size(); ++slot) {
        if (experts[slot] == expert) return history.weights(position, layer)[slot];
    }
    return 0.0F;
}

TEST(TokenColumns, expertByTokenHoldsTheWeightsOfTheLayer) {
    SampleLane lane(kDemoShape);
    lane.feed(50);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    TokenColumns columns;
    columns.update(history, {.layer = 2}, 10, 50);
    int chosen = 0;
    for (std::int32_t position = 10; position < 50; ++position) {
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            const float value = columns.column(position)[static_cast<std::size_t>(expert)];
            EXPECT_EQ(value, chosenWeight(history, position, 2, expert));
            chosen += value > 0.0F ? 1 : 0;
        }
    }
    EXPECT_EQ(chosen, 40 * 4);
}

TEST(TokenColumns, aNewTokenCostsItsColumnOnly) {
    SampleLane lane(kDemoShape, {.prompt = 200, .thinking = 400});
    lane.feed(300);
    TokenColumns columns;
    columns.update(lane.snapshot()->lanes[0].history, {.layer = 1}, 100, 300);
    const std::int64_t before = columns.cellsWritten();
    for (std::int32_t rows = 301; rows <= 400; ++rows) {
        lane.feed(1);
        const auto& changed = columns.update(lane.snapshot()->lanes[0].history, {.layer = 1}, rows - 200, rows);
        EXPECT_EQ(changed, std::vector<std::int32_t>{rows - 1});
    }
    EXPECT_EQ(columns.cellsWritten() - before, 100 * 32);
}

TEST(TokenColumns, incrementalAndFreshAgreeForEveryProjectionAndWidth) {
    for (const auto& source :
         {ColumnSource{.layer = 3}, ColumnSource{.layer = 0, .tokens_per_column = 4},
          ColumnSource{.projection = Projection::kLayerToken, .value = HeatmapValue::kEntropy},
          ColumnSource{.projection = Projection::kLayerToken, .value = HeatmapValue::kEntropy, .tokens_per_column = 8},
          ColumnSource{
              .projection = Projection::kLayerToken, .value = HeatmapValue::kMargin, .tokens_per_column = 2}}) {
        SampleLane lane(kDemoShape);
        TokenColumns incremental;
        std::int32_t end = 0;
        std::int32_t rows = 0;
        while (lane.feed(3)) {
            const SnapshotPointer snapshot = lane.snapshot();
            rows = snapshot->lanes[0].history.rowCount();
            end = (rows + source.tokens_per_column - 1) / source.tokens_per_column;
            incremental.update(snapshot->lanes[0].history, source, 0, end);
        }
        TokenColumns fresh;
        const SnapshotPointer snapshot = lane.snapshot();
        end = (snapshot->lanes[0].history.rowCount() + source.tokens_per_column - 1) / source.tokens_per_column;
        fresh.update(snapshot->lanes[0].history, source, 0, end);
        incremental.update(snapshot->lanes[0].history, source, 0, end);
        for (std::int32_t column = 0; column < end; ++column) {
            for (std::int32_t row = 0; row < fresh.rows(); ++row) {
                EXPECT_EQ(incremental.column(column)[row], fresh.column(column)[row]) << column << ' ' << row;
            }
        }
    }
}

TEST(TokenColumns, severalTokensShowTheLargestWeightAndTheMeanEntropy) {
    SampleLane lane(kDemoShape);
    lane.feed(64);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    TokenColumns weights;
    weights.update(history, {.layer = 1, .tokens_per_column = 16}, 0, 4);
    TokenColumns entropies;
    entropies.update(history,
                     {.projection = Projection::kLayerToken, .value = HeatmapValue::kEntropy, .tokens_per_column = 16},
                     0, 4);
    for (std::int32_t column = 0; column < 4; ++column) {
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            float largest = 0.0F;
            for (std::int32_t i = 0; i < 16; ++i) {
                largest = std::max(largest, chosenWeight(history, column * 16 + i, 1, expert));
            }
            EXPECT_EQ(weights.column(column)[expert], largest);
        }
        for (std::int32_t layer = 0; layer < 4; ++layer) {
            double mean = 0.0;
            for (std::int32_t i = 0; i < 16; ++i) mean += history.router(column * 16 + i, layer).entropy / 16.0;
            EXPECT_NEAR(entropies.column(column)[layer], mean, 1e-6);
        }
    }
}

TEST(TokenColumns, startsAgainWhenTheHistoryIsRewritten) {
    SampleLane first(kDemoShape, {}, 1);
    SampleLane second(kDemoShape, {.prompt = 30, .thinking = 60, .answer = 20, .budget = 128, .cut_by_budget = false},
                      2);
    first.feed(60);
    second.feed(70);
    TokenColumns columns;
    columns.update(first.snapshot()->lanes[0].history, {.layer = 0}, 0, 60);
    const SnapshotPointer snapshot = second.snapshot();
    const auto& changed = columns.update(snapshot->lanes[0].history, {.layer = 0}, 0, 70);
    EXPECT_EQ(changed.size(), 70u);
    EXPECT_EQ(columns.column(5)[3], chosenWeight(snapshot->lanes[0].history, 5, 0, 3));
}

TEST(TokenColumns, aLostRowHasNoDataInsteadOfZeros) {
    SampleLane lane(kDemoShape, {.prompt = 200});
    lane.feed(20);
    lane.skip(3);
    lane.feed(20);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    ASSERT_EQ(history.rowCount(), 43);
    TokenColumns columns;
    columns.update(history, {.layer = 1}, 0, 43);
    for (std::int32_t position = 0; position < 43; ++position) {
        EXPECT_EQ(std::isnan(columns.column(position)[0]), position >= 20 && position < 23) << position;
    }
    ExpertCounts counts;
    counts.update(history, 1);
    EXPECT_EQ(counts.load().rows, 40);
}

TEST(LayerExpert, ofATokenShowsEveryLayerAndTheNextExpert) {
    SampleLane lane(kDemoShape);
    lane.feed(50);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    const HeatmapData data = layerExpertOfToken(history, 33, HeatmapValue::kWeight);
    ASSERT_EQ(data.rows, 4);
    ASSERT_EQ(data.columns, 32);
    for (std::int32_t layer = 0; layer < 4; ++layer) {
        float sum = 0.0F;
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            EXPECT_EQ(data.at(layer, expert), chosenWeight(history, 33, layer, expert));
            sum += data.at(layer, expert);
        }
        EXPECT_NEAR(sum, 1.0F, 1e-5F);
        EXPECT_EQ(data.next_experts[layer], history.router(33, layer).next_expert);
        EXPECT_EQ(data.at(layer, data.next_experts[layer]), 0.0F);
    }
}

TEST(LayerExpert, sharesOfAGrowingRangeAreCountedOnce) {
    SampleLane lane(kDemoShape);
    lane.feed(30);
    LayerShares growing;
    growing.update(lane.snapshot()->lanes[0].history, {5, 1000});
    lane.feed(20);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    growing.update(history, {5, 1000});
    for (std::int32_t layer = 0; layer < 4; ++layer) {
        const LayerLoad load = loadOverRange(history, layer, 5, 50);
        double sum = 0.0;
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            EXPECT_FLOAT_EQ(growing.data().at(layer, expert),
                            static_cast<float>(load.selections[expert]) / static_cast<float>(load.rows));
            sum += growing.data().at(layer, expert);
        }
        EXPECT_NEAR(sum, 4.0, 1e-4) << "k experts a row";
    }
}

TEST(ExpertCounts, followTheRowsOfOneLayer) {
    SampleLane lane(kDemoShape);
    ExpertCounts counts;
    for (int i = 0; i < 10; ++i) {
        lane.feed(4);
        counts.update(lane.snapshot()->lanes[0].history, i < 5 ? 1 : 2);
    }
    const SnapshotPointer snapshot = lane.snapshot();
    EXPECT_EQ(counts.load().selections, loadOverRange(snapshot->lanes[0].history, 2, 0, 40).selections);
    EXPECT_EQ(counts.load().rows, 40);
}

TEST(PhaseRuns, followThePhasesAndMarkInjectedTokens) {
    SampleLane lane(kDemoShape, {.prompt = 10, .thinking = 6, .answer = 4, .budget = 6, .cut_by_budget = true});
    PhaseRuns runs;
    while (lane.feed(1)) runs.update(lane.snapshot()->lanes[0].history);
    runs.update(lane.snapshot()->lanes[0].history);
    ASSERT_EQ(runs.runs().size(), 4u);
    EXPECT_EQ(runs.runs()[0], (PhaseRun{Phase::kPrompt, false, 0, 10, 0, 6}));
    EXPECT_EQ(runs.runs()[1], (PhaseRun{Phase::kThinking, false, 10, 17, 6, 6})) << "<think> and six tokens";
    EXPECT_EQ(runs.runs()[2].injected, true);
    EXPECT_EQ(runs.runs()[2].end - runs.runs()[2].first, 6) << "five injected tokens and the tag";
    EXPECT_EQ(runs.runs()[3].phase, Phase::kAnswer);
}

TEST(RenderHeatmap, everyPixelIsTheColourOfItsCell) {
    HeatmapData data;
    data.rows = 2;
    data.columns = 3;
    data.values = {0.0F, 0.5F, 1.0F, 2.0F, kNoData, -1.0F};
    const HeatmapColours colours = heatmapColours(HeatmapValue::kWeight, 0.0F, 1.0F, false);
    const QImage image = renderHeatmap(data, colours);
    ASSERT_EQ(image.size(), QSize(3, 2));
    ASSERT_EQ(image.format(), QImage::Format_RGB32);
    const auto& map = colours.map->entries();
    EXPECT_EQ(image.pixel(0, 0), map[0]);
    EXPECT_EQ(image.pixel(0, 1), map[128]);
    EXPECT_EQ(image.pixel(1, 0), map[255]);
    EXPECT_EQ(image.pixel(1, 1), map[255]) << "clipped above";
    EXPECT_EQ(image.pixel(2, 0), colours.no_data);
    EXPECT_EQ(image.pixel(2, 1), map[0]) << "clipped below";
    for (const QRgb entry : map) EXPECT_NE(entry, colours.no_data);
}

TEST(RenderHeatmap, picksTheMapByTheKindOfValue) {
    EXPECT_EQ(heatmapColours(HeatmapValue::kWeight, 0, 1, true).map, &ColourMap::get(ColourMapName::kTide, true));
    EXPECT_EQ(heatmapColours(HeatmapValue::kEntropy, 0, 1, true).map, &ColourMap::get(ColourMapName::kViridis, true));
}

TEST(HeatmapScale, entropyEndsAreTenthsAndOthersStartAtZero) {
    HeatmapData data;
    data.value = HeatmapValue::kEntropy;
    fitScale(data, 0.43F, 0.97F);
    EXPECT_FLOAT_EQ(data.low, 0.4F);
    EXPECT_FLOAT_EQ(data.high, 1.0F);
    data.value = HeatmapValue::kMargin;
    fitScale(data, 0.001F, 0.13F);
    EXPECT_FLOAT_EQ(data.low, 0.0F);
    EXPECT_FLOAT_EQ(data.high, 0.2F);
    EXPECT_FLOAT_EQ(weightScale(8), 0.4F);
    EXPECT_FLOAT_EQ(weightScale(1), 1.0F);
}

}  // namespace
}  // namespace mixoscope
