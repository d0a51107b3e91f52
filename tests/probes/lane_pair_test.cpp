// Overlap, divergence and load of two lanes, and the counts of one: against sets and sums over random histories.
#include "probes/lane_pair.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "probes/lane_measures.h"
#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

constexpr TraceShape kShape{.moe_layers = 3, .slots = 4, .experts = 9, .distributions = false};
const std::vector<std::int64_t> kExpertBytes = {100, 10, 1};

struct Row {
    std::vector<std::int16_t> ids;
    std::vector<float> weights;
};

/// Some experts that ran with weights, then some that did not run, then unused slots.
Row randomRow(std::mt19937& random) {
    std::vector<std::int16_t> experts(static_cast<std::size_t>(kShape.experts));
    for (std::size_t expert = 0; expert < experts.size(); ++expert) experts[expert] = static_cast<std::int16_t>(expert);
    std::shuffle(experts.begin(), experts.end(), random);
    const std::size_t used = random() % 5;
    const std::size_t running = used == 0 ? 0 : random() % (used + 1);
    Row row{.ids = {}, .weights = {}};
    for (std::size_t slot = 0; slot < 4; ++slot) {
        const bool runs = slot < running;
        row.ids.push_back(slot >= used ? std::int16_t{-1} : runs ? experts[slot] : notRunId(experts[slot]));
        row.weights.push_back(runs ? std::uniform_real_distribution<float>(0.0F, 1.0F)(random) : 0.0F);
    }
    return row;
}

std::set<int> setOf(const Row& row) {
    std::set<int> experts;
    for (const std::int16_t id : row.ids) {
        if (id >= 0) experts.insert(id);
    }
    return experts;
}

TEST(LanePair, OverlapIsThatOfTheSetsAndSymmetric) {
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        const Row a = randomRow(random);
        const Row b = randomRow(random);
        const std::set<int> left = setOf(a);
        const std::set<int> right = setOf(b);
        std::set<int> both;
        std::set<int> either = left;
        for (const int expert : right) {
            if (left.contains(expert)) both.insert(expert);
            either.insert(expert);
        }
        const RowOverlap overlap = compareRows(a.ids, a.weights, b.ids, b.weights);
        const RowOverlap back = compareRows(b.ids, b.weights, a.ids, a.weights);
        const double jaccard =
            either.empty() ? 1.0 : static_cast<double>(both.size()) / static_cast<double>(either.size());
        EXPECT_DOUBLE_EQ(overlap.jaccard, jaccard);
        EXPECT_EQ(overlap.jaccard, back.jaccard);
        EXPECT_NEAR(overlap.weight_distance, back.weight_distance, 1e-12);
        const double share = left.empty() ? (right.empty() ? 1.0 : 0.0)
                                          : static_cast<double>(both.size()) / static_cast<double>(left.size());
        EXPECT_DOUBLE_EQ(overlap.overlap, share);
        double distance = 0.0;
        for (const int expert : either) {
            const auto weight = [&](const Row& row) {
                for (std::size_t slot = 0; slot < row.ids.size(); ++slot) {
                    if (row.ids[slot] == expert) return static_cast<double>(row.weights[slot]);
                }
                return 0.0;
            };
            distance += std::abs(weight(a) - weight(b));
        }
        EXPECT_NEAR(overlap.weight_distance, 0.5 * distance, 1e-9);
        const RowOverlap self = compareRows(a.ids, a.weights, a.ids, a.weights);
        EXPECT_EQ(self.jaccard, 1.0);
        EXPECT_EQ(self.overlap, 1.0);
        EXPECT_EQ(self.weight_distance, 0.0);
    }
}

/// A lane's history from random rows: a prompt fed in one step, then one row a step.
class Recorded {
public:
    Recorded(unsigned seed, int prompt, int generated) : m_random(seed), m_writer(kShape), m_load(kShape) {
        for (int position = 0; position < prompt + generated; ++position)
            add(position, position < prompt, position < prompt ? 0 : position - prompt);
    }
    History publish() { return m_writer.publish(); }
    const LoadCounter& load() const { return m_load; }
    const std::vector<std::vector<Row>>& rows() const { return m_rows; }  // (positions, layers)

private:
    void add(int position, bool of_prompt, Step step) {
        std::vector<Row> layers;
        std::vector<std::int16_t> ids;
        std::vector<float> weights;
        std::vector<RouterFacts> facts(static_cast<std::size_t>(kShape.moe_layers));
        for (std::int32_t layer = 0; layer < kShape.moe_layers; ++layer) {
            layers.push_back(randomRow(m_random));
            ids.insert(ids.end(), layers.back().ids.begin(), layers.back().ids.end());
            weights.insert(weights.end(), layers.back().weights.begin(), layers.back().weights.end());
            if (m_random() % 2 == 0) facts[static_cast<std::size_t>(layer)].flags = layer_flag::kVirtual;
        }
        StepTrace trace;
        trace.step = step;
        trace.token.position = position;
        trace.token.id = position;
        trace.token.phase = of_prompt ? Phase::kPrompt : Phase::kAnswer;
        trace.expert_ids = ids;
        trace.expert_weights = weights;
        trace.router = facts;
        m_writer.addRow(trace, "x");
        m_load.add(trace);
        m_rows.push_back(std::move(layers));
    }
    std::mt19937 m_random;
    HistoryWriter m_writer;
    LoadCounter m_load;
    std::vector<std::vector<Row>> m_rows;
};

TEST(LanePair, MeansFollowTheHistoriesInPiecesOfAnySize) {
    const Recorded base(1, 5, 40);
    Recorded base_again(1, 5, 40);
    Recorded lane(2, 5, 30);
    const History a = base_again.publish();
    const History b = lane.publish();
    constexpr std::int32_t kFirst = 4;
    double expected = 0.0;
    int rows = 0;
    for (std::size_t position = kFirst; position < lane.rows().size(); ++position) {
        ++rows;
        for (std::size_t layer = 0; layer < 3; ++layer) {
            const Row& left = base.rows()[position][layer];
            const Row& right = lane.rows()[position][layer];
            expected += compareRows(left.ids, left.weights, right.ids, right.weights).jaccard;
        }
    }
    OverlapCounter whole(kShape, kFirst);
    whole.advance(a, b);
    EXPECT_EQ(whole.rows(), rows);
    EXPECT_NEAR(whole.mean().jaccard, expected / (3.0 * rows), 1e-12);

    // Growing by one row, then by many.
    OverlapCounter pieces(kShape, kFirst);
    for (const int generated : {0, 1, 2, 17, 30}) {
        Recorded part(2, 5, generated);
        pieces.advance(a, part.publish());
    }
    EXPECT_EQ(pieces.rows(), whole.rows());
    EXPECT_EQ(pieces.mean().jaccard, whole.mean().jaccard);
    EXPECT_EQ(pieces.mean(1).weight_distance, whole.mean(1).weight_distance);
    EXPECT_TRUE(std::isnan(OverlapCounter(kShape, 0).mean().jaccard));
}

TEST(LanePair, CountsEqualThoseOfTheRawRows) {
    Recorded lane(3, 7, 25);
    RoutingCounter counter(kShape, kExpertBytes);
    counter.advance(lane.publish());
    RoutingCounts prompt;
    RoutingCounts generated;
    std::vector<std::set<int>> of_prompt(3);
    const History history = lane.publish();
    for (std::size_t position = 0; position < lane.rows().size(); ++position) {
        RoutingCounts& counts = position < 7 ? prompt : generated;
        ++counts.rows;
        counts.layer_rows += 3;
        for (std::size_t layer = 0; layer < 3; ++layer) {
            const bool is_virtual =
                history.router(static_cast<std::int32_t>(position), static_cast<int>(layer)).flags != 0;
            for (const std::int16_t id : lane.rows()[position][layer].ids) {
                if (id <= -2) ++(is_virtual ? counts.virtual_selections : counts.dropped);
                if (id < 0) continue;
                ++counts.ran;
                // The prompt is one step: an expert is read once. Later rows have a step each.
                if (position < 7 && !of_prompt[layer].insert(id).second) continue;
                ++counts.distinct;
                counts.bytes += kExpertBytes[layer];
            }
        }
    }
    EXPECT_EQ(counter.prompt(), prompt);
    EXPECT_EQ(counter.generated(), generated);
    EXPECT_EQ(generated.distinct, generated.ran);
    EXPECT_LT(prompt.distinct, prompt.ran);
    RoutingCounts sum = prompt;
    sum += generated;
    EXPECT_EQ(counter.all(), sum);
    EXPECT_GT(sum.dropped, 0);
    EXPECT_GT(sum.virtual_selections, 0);
    EXPECT_DOUBLE_EQ(generated.ranPerLayer(), static_cast<double>(generated.ran) / 75.0);

    counter.advance(Recorded(3, 7, 2).publish());  // shorter: another history
    EXPECT_EQ(counter.generated().rows, 2);
}

TEST(LanePair, LoadMovesByHalfTheSumOfTheSharesDifferences) {
    const Recorded a(4, 5, 50);
    const Recorded b(5, 5, 20);
    double expected = 0.0;
    for (std::int32_t layer = 0; layer < kShape.moe_layers; ++layer) {
        std::vector<double> share(9, 0.0);
        for (const auto& [recorded, sign] : {std::pair{&b, 1.0}, {&a, -1.0}}) {
            double total = 0.0;
            for (const auto& row : recorded->rows())
                total += static_cast<double>(setOf(row[static_cast<std::size_t>(layer)]).size());
            for (const auto& row : recorded->rows()) {
                for (const int expert : setOf(row[static_cast<std::size_t>(layer)]))
                    share[static_cast<std::size_t>(expert)] += sign / total;
            }
        }
        const std::vector<double> difference = loadShareDifference(a.load(), b.load(), layer);
        double sum = 0.0;
        for (std::size_t expert = 0; expert < share.size(); ++expert) {
            EXPECT_NEAR(difference[expert], share[expert], 1e-12);
            expected += 0.5 * std::abs(share[expert]) / 3.0;
            sum += difference[expert];
        }
        EXPECT_NEAR(sum, 0.0, 1e-12);
    }
    EXPECT_NEAR(loadMoved(a.load(), b.load()), expected, 1e-12);
    EXPECT_EQ(loadMoved(a.load(), a.load()), 0.0);
    EXPECT_TRUE(std::isnan(loadMoved(a.load(), LoadCounter(kShape))));
}

TEST(LanePair, BalanceIsTheMeanOfTheLayers) {
    const Recorded lane(6, 5, 50);
    double cv = 0.0;
    double floor = 0.0;
    for (std::int32_t layer = 0; layer < kShape.moe_layers; ++layer) {
        const BalanceMeasures measures = measureBalance(lane.load().allPhases(layer));
        cv += measures.cv / 3.0;
        floor += measures.cv_floor / 3.0;
    }
    const LaneBalance balance = measureLaneBalance(lane.load());
    EXPECT_DOUBLE_EQ(balance.cv, cv);
    EXPECT_DOUBLE_EQ(balance.cv_floor, floor);
    EXPECT_EQ(balance.rows, 55);
    EXPECT_TRUE(std::isnan(measureLaneBalance(LoadCounter(kShape)).cv));
}

TEST(LanePair, TokensPartWhereTheyDifferOrWhereOneHasEnded) {
    const auto historyOf = [](const std::vector<TokenId>& ids) {
        HistoryWriter writer(kShape);
        for (std::size_t position = 0; position < ids.size(); ++position) {
            StepTrace trace;
            trace.token.position = static_cast<std::int32_t>(position);
            trace.token.id = ids[position];
            writer.addRow(trace, "x");
        }
        return writer.publish();
    };
    const History base = historyOf({1, 2, 3, 4, 5});
    EXPECT_EQ(firstDivergence(base, 2, false, historyOf({1, 2, 3, 4, 5}), 2, false), -1);
    EXPECT_EQ(firstDivergence(base, 2, false, historyOf({1, 2, 3, 9, 5}), 2, false), 1);
    EXPECT_EQ(firstDivergence(base, 2, true, historyOf({8, 8, 8, 3, 4}), 3, false), -1) << "prompts may be longer";
    EXPECT_EQ(firstDivergence(base, 2, true, historyOf({8, 8, 8, 3, 4}), 3, true), 2);
    EXPECT_EQ(firstDivergence(base, 2, true, historyOf({1, 2, 3, 4, 5, 6}), 2, false), 3);
    EXPECT_EQ(firstDivergence(base, -1, false, base, 2, false), -1) << "nothing generated yet";
}

}  // namespace
}  // namespace mixoscope
