// Balance measures against their formulas and limits (README, "Measures"), and counts against rows × k.
#include "probes/load.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "probes/aggregates.h"
#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::SyntheticEngine;

LayerLoad loadOf(std::vector<std::int64_t> counts, std::int64_t rows) {
    LayerLoad load;
    load.selections = std::move(counts);
    load.rows = rows;
    return load;
}

/// Counts of `rows` tokens that each choose k distinct experts of n at random.
LayerLoad randomLoad(std::mt19937& random, int n, int k, int rows, bool skewed) {
    LayerLoad load = loadOf(std::vector<std::int64_t>(static_cast<std::size_t>(n)), rows);
    std::vector<int> experts(static_cast<std::size_t>(n));
    std::iota(experts.begin(), experts.end(), 0);
    for (int row = 0; row < rows; ++row) {
        for (int slot = 0; slot < k; ++slot) {
            const int last = skewed ? std::max(slot, slot + (n - 1 - slot) / 3) : n - 1;
            std::uniform_int_distribution<int> pick(slot, last);
            std::swap(experts[static_cast<std::size_t>(slot)], experts[static_cast<std::size_t>(pick(random))]);
            ++load.selections[static_cast<std::size_t>(experts[static_cast<std::size_t>(slot)])];
        }
    }
    return load;
}

TEST(Balance, oneTokenHasTheLargestImbalanceThatEightOf128Allow) {
    std::vector<std::int64_t> counts(128, 0);
    for (std::size_t i = 0; i < 8; ++i) counts[i * 3] = 1;
    const BalanceMeasures m = measureBalance(loadOf(counts, 1));
    EXPECT_NEAR(m.cv, std::sqrt(15.0), 1e-12);
    EXPECT_NEAR(m.max_violation, 15.0, 1e-12);
    EXPECT_NEAR(m.gini, 0.9375, 1e-12);
    EXPECT_NEAR(m.normalised_entropy, std::log(8.0) / std::log(128.0), 1e-12);
    EXPECT_NEAR(m.cv_floor, std::sqrt(15.0), 1e-12);
    EXPECT_NEAR(m.excess_cv, 0.0, 1e-6);
    EXPECT_EQ(m.unseen, 120);
    EXPECT_FALSE(m.dead_rule_applies);
}

TEST(Balance, equalCountsAreBalanced) {
    const BalanceMeasures m = measureBalance(loadOf(std::vector<std::int64_t>(64, 5), 40));
    EXPECT_EQ(m.cv, 0.0);
    EXPECT_EQ(m.max_violation, 0.0);
    EXPECT_NEAR(m.gini, 0.0, 1e-15);
    EXPECT_NEAR(m.normalised_entropy, 1.0, 1e-12);
    EXPECT_EQ(m.excess_cv, 0.0);
    EXPECT_EQ(m.unseen, 0);
}

TEST(Balance, samplingFloorHasThePublishedValues) {
    const struct {
        std::int64_t rows;
        double floor;
    } expected[] = {{1, 3.87}, {4, 1.94}, {8, 1.37}, {16, 0.97}, {32, 0.69}, {64, 0.48}, {128, 0.34}};
    for (const auto& [rows, floor] : expected) {
        std::vector<std::int64_t> counts(128, 0);
        counts[0] = rows * 8;  // only the total matters to the floor
        EXPECT_NEAR(measureBalance(loadOf(counts, rows)).cv_floor, floor, 0.0055) << rows;
    }
}

TEST(Balance, idealRandomRouterSitsOnTheFloor) {
    std::mt19937 random(11);
    double squares = 0.0;
    constexpr int kTrials = 400;
    for (int trial = 0; trial < kTrials; ++trial) {
        const BalanceMeasures m = measureBalance(randomLoad(random, 128, 8, 64, false));
        squares += m.cv * m.cv / kTrials;
    }
    // CV² has mean floor² exactly; its spread over trials is about floor² sqrt(2/127), so 400 trials are within 3 %.
    EXPECT_NEAR(squares, 15.0 / 64.0, 0.03 * 15.0 / 64.0);
}

TEST(Balance, identitiesHoldForRandomCounts) {
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const int n = 8 << (seed % 5);
        const int k = 1 + static_cast<int>(seed % 8);
        const LayerLoad load = randomLoad(random, n, k, 1 + static_cast<int>(seed) * 7, seed % 2 == 0);
        const BalanceMeasures m = measureBalance(load);
        const double total = static_cast<double>(load.total());
        double squared_shares = 0.0;
        double largest_share = 0.0;
        double pairs = 0.0;
        for (const std::int64_t a : load.selections) {
            squared_shares += static_cast<double>(a * a) / total / total;
            largest_share = std::max(largest_share, static_cast<double>(a) / total);
            for (const std::int64_t b : load.selections) pairs += static_cast<double>(std::abs(a - b));
        }
        EXPECT_EQ(load.total(), load.rows * k);
        EXPECT_NEAR(m.cv * m.cv, n * squared_shares - 1.0, 1e-9) << "CV² = N Σq² − 1";
        EXPECT_NEAR(m.max_violation, n * largest_share - 1.0, 1e-9) << "MaxVio = N max q − 1";
        EXPECT_NEAR(m.gini, pairs / (2.0 * n * total), 1e-9) << "sorted form = mean absolute difference";
        EXPECT_NEAR(m.excess_cv, std::sqrt(std::max(0.0, m.cv * m.cv - m.cv_floor * m.cv_floor)), 1e-12);
        EXPECT_LE(m.cv, std::sqrt(static_cast<double>(n) / k - 1.0) + 1e-9);
        EXPECT_LE(m.max_violation, static_cast<double>(n) / k - 1.0 + 1e-9);
        EXPECT_LE(m.gini, 1.0 - static_cast<double>(k) / n + 1e-9);
        EXPECT_GE(m.normalised_entropy, std::log(k) / std::log(n) - 1e-9);
        EXPECT_LE(m.normalised_entropy, 1.0 + 1e-9);
    }
}

TEST(Balance, uniformProbabilitiesGiveAnAuxiliaryProductOfOneForAnyCounts) {
    std::mt19937 random(3);
    LayerLoad load = randomLoad(random, 32, 4, 57, true);
    EXPECT_TRUE(std::isnan(measureBalance(load).auxiliary_product)) << "not defined without distributions";
    load.probability_sums.assign(32, 57.0 / 32.0);
    EXPECT_NEAR(measureBalance(load).auxiliary_product, 1.0, 1e-12);
    load.probability_sums.assign(32, 0.0);
    const auto hottest = static_cast<std::size_t>(std::max_element(load.selections.begin(), load.selections.end()) -
                                                  load.selections.begin());
    load.probability_sums[hottest] = 57.0;
    EXPECT_GT(measureBalance(load).auxiliary_product, 1.0);
}

TEST(Balance, deadIsOnlySaidWithEnoughRows) {
    std::vector<std::int64_t> counts(128, 8);
    counts[5] = 0;
    EXPECT_FALSE(measureBalance(loadOf(counts, 127)).dead_rule_applies) << "T ≥ 128";
    EXPECT_TRUE(measureBalance(loadOf(std::vector<std::int64_t>(128, 8), 128)).dead_rule_applies);
    // Top-1 of 128 over 128 rows leaves 47 experts unseen by chance alone.
    EXPECT_FALSE(measureBalance(loadOf(std::vector<std::int64_t>(128, 1), 128)).dead_rule_applies);
}

TEST(Balance, anEmptyWindowHasNoValues) {
    const BalanceMeasures m = measureBalance(loadOf(std::vector<std::int64_t>(16, 0), 0));
    EXPECT_TRUE(std::isnan(m.cv) && std::isnan(m.cv_floor) && std::isnan(m.gini) && std::isnan(m.max_violation) &&
                std::isnan(m.normalised_entropy) && std::isnan(m.excess_cv));
    EXPECT_EQ(m.unseen, 16);
}

TEST(Balance, oneExpertIsAlwaysBalanced) {
    const BalanceMeasures m = measureBalance(loadOf({7}, 7));
    EXPECT_EQ(m.normalised_entropy, 1.0);
    EXPECT_EQ(m.cv, 0.0);
    EXPECT_EQ(m.gini, 0.0);
}

constexpr TraceShape kShape{3, 4, 16, true};

struct Rows {
    test::KeepingSink sink;
    explicit Rows(std::uint32_t seed) {
        SyntheticEngine engine(kShape, seed, sink);
        engine.play(0, {.kept = 0, .prompt = 31, .thinking = 9, .answer = 12});
    }
};

TEST(LoadCounter, countsRowsTimesKInEveryLayerAndPhase) {
    const Rows rows(5);
    LoadCounter counter(kShape);
    std::int64_t per_phase[kPhaseCount] = {};
    for (const auto& record : rows.sink.records) {
        if (record.is_event) continue;
        counter.add(record.row.view());
        ++per_phase[static_cast<std::size_t>(record.row.trace.token.phase)];
    }
    EXPECT_EQ(per_phase[0], 31);
    EXPECT_EQ(per_phase[1], 11) << "tags count to the block";
    EXPECT_EQ(per_phase[2], 12) << "the end of the turn is never fed";
    for (std::int32_t layer = 0; layer < counter.layers(); ++layer) {
        for (int phase = 0; phase < kPhaseCount; ++phase) {
            const LayerLoad& load = counter.layer(static_cast<Phase>(phase), layer);
            EXPECT_EQ(load.rows, per_phase[phase]);
            EXPECT_EQ(load.total(), per_phase[phase] * kShape.slots);
            EXPECT_NEAR(std::accumulate(load.probability_sums.begin(), load.probability_sums.end(), 0.0),
                        static_cast<double>(per_phase[phase]), 1e-4);
        }
        EXPECT_EQ(counter.allPhases(layer).total(), 54 * kShape.slots);
    }
}

TEST(LoadCounter, countsWhatThereIsOfAnIncompleteRowAndNoExpertOutsideTheModel) {
    const std::vector<std::int16_t> ids{3, 5, 32767, -1, 4, 4};  // the first layer and a part of the second
    const std::vector<float> distribution(20, 0.0625F);
    StepTrace trace;
    trace.expert_ids = ids;
    trace.distributions = distribution;
    LoadCounter counter(kShape);
    counter.add(trace);
    const LayerLoad first = counter.allPhases(0);
    EXPECT_EQ(first.rows, 1);
    EXPECT_EQ(first.total(), 2);
    EXPECT_EQ(std::accumulate(first.probability_sums.begin(), first.probability_sums.end(), 0.0), 1.0);
    EXPECT_EQ(counter.allPhases(1).rows, 0);
    EXPECT_EQ(counter.allPhases(1).total(), 0);
    const std::vector<std::int16_t> both(8, 1);
    trace.expert_ids = both;
    counter.add(trace);
    EXPECT_EQ(counter.allPhases(1).rows, 1);
    EXPECT_EQ(counter.allPhases(1).probability_sums, std::vector<double>(16, 0.0)) << "its distribution is cut off";
    counter.clear();
    EXPECT_EQ(counter.allPhases(0).rows, 0);
    EXPECT_EQ(counter.allPhases(0).total(), 0);
}

TEST(LoadOverRange, leavesOutRowsThatWereLost) {
    HistoryWriter writer(kShape);
    const std::vector<std::int16_t> ids(12, 2);
    StepTrace trace;
    trace.expert_ids = ids;
    for (const std::int32_t position : {0, 1, 5}) {
        trace.token = {.position = position, .id = 9};
        writer.addRow(trace, "x");
    }
    const LayerLoad load = loadOverRange(writer.publish(), 0, 0, 6);
    EXPECT_EQ(load.rows, 3);
    EXPECT_EQ(load.total(), 3 * kShape.slots);
}

TEST(LoadCounter, doesNotDependOnTheOrderOfRows) {
    Rows rows(8);
    LoadCounter forward(kShape);
    LoadCounter shuffled(kShape);
    for (const auto& record : rows.sink.records)
        if (!record.is_event) forward.add(record.row.view());
    std::shuffle(rows.sink.records.begin(), rows.sink.records.end(), std::mt19937(1));
    for (const auto& record : rows.sink.records)
        if (!record.is_event) shuffled.add(record.row.view());
    for (std::int32_t layer = 0; layer < kShape.moe_layers; ++layer)
        for (int phase = 0; phase < kPhaseCount; ++phase)
            EXPECT_EQ(forward.layer(static_cast<Phase>(phase), layer).selections,
                      shuffled.layer(static_cast<Phase>(phase), layer).selections);
}

TEST(LoadOverRange, addsUpToTheCounterAndClampsItsRange) {
    const Rows rows(9);
    HistoryWriter writer(kShape);
    LoadCounter counter(kShape);
    for (const auto& record : rows.sink.records) {
        if (record.is_event) continue;
        writer.addRow(record.row.view(), "x");
        counter.add(record.row.view());
    }
    const History history = writer.publish();
    for (std::int32_t layer = 0; layer < kShape.moe_layers; ++layer) {
        const LayerLoad whole = loadOverRange(history, layer, -5, 1 << 20);
        EXPECT_EQ(whole.selections, counter.allPhases(layer).selections);
        EXPECT_EQ(whole.rows, 54);
        LayerLoad first = loadOverRange(history, layer, 0, 20);
        const LayerLoad second = loadOverRange(history, layer, 20, 54);
        for (std::size_t expert = 0; expert < first.selections.size(); ++expert)
            first.selections[expert] += second.selections[expert];
        EXPECT_EQ(first.selections, whole.selections);
        EXPECT_EQ(first.rows, 20);
    }
}

}  // namespace
}  // namespace mixoscope
