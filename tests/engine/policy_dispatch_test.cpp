// Rules that look at a whole step: what an expert takes at most, and experts that choose their tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "engine/dispatch.h"
#include "engine/policy_rules_test.h"
#include "support/policy_runner.h"

namespace mixoscope {
namespace {

using test::kRounds;
using test::loads;
using test::moeConfig;
using test::PolicyChoice;
using test::PolicyRow;
using test::PolicyRunner;
using test::probabilityOf;
using test::randomLogits;
using test::randomRows;
using test::Rules;

// --- capacity --------------------------------------------------------------------------------------------------------

/// Switch and GShard in plain words: choice ranks one after the other, tokens in `order`; who comes when an expert is
/// full is dropped.
std::set<std::pair<std::size_t, std::int32_t>> keptPairs(const std::vector<PolicyChoice>& free,
                                                         const std::vector<std::size_t>& order, std::int64_t capacity) {
    std::set<std::pair<std::size_t, std::int32_t>> kept;
    std::map<std::int32_t, std::int64_t> loads;
    for (std::size_t rank = 0; rank < free.front().ids.size(); ++rank) {
        for (const std::size_t row : order) {
            const std::int32_t expert = free[row].ids[rank];
            if (loads[expert]++ < capacity) kept.emplace(row, expert);
        }
    }
    return kept;
}

TEST_F(Rules, CapacityDropsWhatOverflowsInTheOrderThatIsAskedFor) {
    for (const int k : {1, 2, 4}) {
        for (const double factor : {0.5, 1.0, 1.25, 2.0}) {
            for (const bool by_score : {false, true}) {
                const std::string text = "top-k:k=" + std::to_string(k);
                PolicyRunner bounded(text + ",capacity=" + std::to_string(factor) + (by_score ? ",drop=score" : ""),
                                     moeConfig());
                PolicyRunner free_runner(text, moeConfig());
                const std::vector<PolicyRow> rows = randomRows(random, 48, 32, false);
                const auto free = free_runner.step(rows);
                std::vector<std::size_t> order(rows.size());
                std::iota(order.begin(), order.end(), 0U);
                if (by_score) {
                    std::ranges::stable_sort(
                        order, {}, [&](std::size_t row) { return -probabilityOf(free[row], free[row].ids.front()); });
                }
                const auto capacity = static_cast<std::int64_t>(std::ceil(factor * k * 48 / 32.0));
                const auto kept = keptPairs(free, order, capacity);
                const auto choices = bounded.step(rows);
                std::size_t kept_count = 0;
                for (std::size_t row = 0; row < rows.size(); ++row) {
                    const PolicyChoice& choice = choices[row];
                    ASSERT_EQ(choice.ids.size() + choice.not_run.size(), static_cast<std::size_t>(k))
                        << "kept + dropped";
                    kept_count += choice.ids.size();
                    for (std::size_t slot = 0; slot < choice.ids.size(); ++slot) {
                        ASSERT_TRUE(kept.contains({row, choice.ids[slot]}));
                        const auto at = std::ranges::find(free[row].ids, choice.ids[slot]) - free[row].ids.begin();
                        ASSERT_NEAR(choice.weights[slot], free[row].weights[static_cast<std::size_t>(at)], 1e-6F)
                            << "weights from before the drop";
                    }
                    ASSERT_EQ((choice.flags & layer_flag::kDropped) != 0, !choice.not_run.empty());
                }
                ASSERT_EQ(kept_count, kept.size());
                for (const std::int64_t load : loads(choices, 32)) ASSERT_LE(load, capacity);
                if (factor <= 1.0) {
                    ASSERT_LT(kept_count, rows.size() * static_cast<std::size_t>(k));
                }
            }
        }
    }
}

TEST_F(Rules, ALargerCapacityTakesNoTokenFromAnExpert) {
    for (const char* order : {"position", "score"}) {
        const std::vector<PolicyRow> rows = randomRows(random, 96, 32);
        std::vector<std::int64_t> before(32, 0);
        std::int64_t largest = 0;
        for (int step = 1; step <= 40; ++step) {
            PolicyRunner bounded("top-k:k=2,capacity=" + std::to_string(0.1 * step) + ",drop=" + order, moeConfig());
            const std::vector<std::int64_t> now = loads(bounded.step(rows), 32);
            for (std::size_t expert = 0; expert < 32; ++expert) ASSERT_GE(now[expert], before[expert]) << step;
            ASSERT_GE(*std::ranges::max_element(now), largest);
            largest = *std::ranges::max_element(now);
            before = now;
        }
        PolicyRunner free("top-k:k=2", moeConfig());
        EXPECT_EQ(before, loads(free.step(rows), 32)) << "in the end nothing overflows";
        PolicyRunner tight("top-k:k=2,capacity=0.1", moeConfig());
        EXPECT_NE(before, loads(tight.step(rows), 32)) << "at first much does";
    }
}

/// The same tokens in the opposite order.
std::vector<PolicyRow> reversed(std::vector<PolicyRow> rows) {
    std::ranges::reverse(rows);
    for (std::size_t row = 0; row < rows.size(); ++row) rows[row].position = static_cast<std::int64_t>(row);
    return rows;
}

TEST_F(Rules, ReversingTheTokensReversesWhoIsDropped) {
    for (const int k : {1, 2, 4}) {
        for (const char* drop : {"position", "score"}) {
            const std::string text = "top-k:k=" + std::to_string(k);
            PolicyRunner bounded(text + ",capacity=0.7,drop=" + drop, moeConfig());
            PolicyRunner free_runner(text, moeConfig());
            std::vector<PolicyRow> rows = randomRows(random, 48, 32, false);
            if (std::string(drop) == "score") {  // only at equal scores does the order of tokens decide
                for (std::size_t row = 0; row < rows.size(); ++row) {
                    for (std::size_t expert = 0; expert < 32; ++expert)
                        rows[row].logits[expert] = rows[row % 6].logits[(expert + row / 6) % 32];
                }
            }
            const auto free = free_runner.step(rows);
            std::vector<std::size_t> order(rows.size());
            std::iota(order.begin(), order.end(), 0U);
            std::ranges::reverse(order);
            if (std::string(drop) == "score")
                std::ranges::stable_sort(
                    order, {}, [&](std::size_t row) { return -probabilityOf(free[row], free[row].ids.front()); });
            const auto capacity = static_cast<std::int64_t>(std::ceil(0.7 * k * 48 / 32.0));
            const auto kept = keptPairs(free, order, capacity);
            const auto choices = bounded.step(reversed(rows));
            std::size_t count = 0;
            for (std::size_t row = 0; row < rows.size(); ++row) {
                for (const std::int32_t id : choices[rows.size() - 1 - row].ids) {
                    ASSERT_TRUE(kept.contains({row, id})) << text << ' ' << drop;
                    ++count;
                }
            }
            ASSERT_EQ(count, kept.size());
        }
    }
    // In plain words, where all tokens want the same expert: it takes the first two, or read backwards the last two.
    PolicyRunner bounded("top-k:k=1,capacity=1", moeConfig());
    std::vector<PolicyRow> rows = randomRows(random, 48, 32, false);
    for (PolicyRow& row : rows) row.logits = rows.front().logits;
    const auto forwards = bounded.step(rows);
    const auto backwards = bounded.step(reversed(rows));
    for (std::size_t row = 0; row < rows.size(); ++row) {
        EXPECT_EQ(forwards[row].ids.size(), row < 2 ? 1U : 0U);
        EXPECT_EQ(backwards[47 - row].ids.size(), row >= 46 ? 1U : 0U);
    }
}

TEST_F(Rules, OfEqualScoresTheEarlierTokenIsServed) {
    PolicyRunner bounded("top-k:k=1,capacity=1,drop=score", moeConfig());
    std::vector<PolicyRow> rows = randomRows(random, 48, 32, false);
    for (PolicyRow& row : rows) row.logits = rows.front().logits;
    const auto choices = bounded.step(rows);  // an expert takes 2 of 48
    for (std::size_t row = 0; row < rows.size(); ++row) EXPECT_EQ(choices[row].ids.size(), row < 2 ? 1U : 0U) << row;
}

TEST_F(Rules, CapacityDoesNothingInAStepOfOneToken) {
    PolicyRunner bounded("top-k:k=2,capacity=0.01", moeConfig());
    PolicyRunner free("top-k:k=2", moeConfig());
    for (const PolicyRow& row : randomRows(random, kRounds, 32)) ASSERT_EQ(bounded.one(row), free.one(row));
}

TEST_F(Rules, WithCapacityByPositionATokenNeverDependsOnLaterOnes) {
    const std::vector<PolicyRow> rows = randomRows(random, 40, 16);
    PolicyRunner whole("top-k:k=1,capacity=0.8", moeConfig(16, 2));
    const auto choices = whole.step(rows);
    EXPECT_TRUE(whole.policy().dependsOnStep());
    // The capacity itself counts the step's tokens, so later ones may not change: only their logits may.
    std::vector<PolicyRow> changed = rows;
    for (std::size_t row = 25; row < rows.size(); ++row) changed[row].logits = randomLogits(random, 16);
    const auto again = whole.step(changed);
    for (std::size_t row = 0; row < 25; ++row) ASSERT_EQ(choices[row], again[row]);
}

// --- GShard's drawn second choice ------------------------------------------------------------------------------------

TEST_F(Rules, ASecondChoiceIsDrawnAsOftenAsItsShareSays) {
    const ModelConfig config = moeConfig(8, 2);
    PolicyRunner both("top-k:k=2", config);
    for (const double full : {0.2, 0.5, 1.0}) {
        PolicyRunner drawn("top-k:k=2,second=" + std::to_string(full), config);
        EXPECT_FALSE(drawn.policy().dependsOnStep());
        const std::vector<PolicyRow> rows = randomRows(random, 500, 8, false);
        const auto free = both.step(rows);
        const auto choices = drawn.step(rows);
        double expected = 0.0;
        double variance = 0.0;
        double used = 0.0;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            const double share = static_cast<double>(free[row].weights[1]);
            const double probability = std::min(1.0, share / full);
            expected += probability;
            variance += probability * (1.0 - probability);
            used += static_cast<double>(choices[row].ids.size() - 1);
            ASSERT_EQ(choices[row].ids.front(), free[row].ids.front()) << "a first choice is never drawn";
            ASSERT_EQ(choices[row].ids.size() + choices[row].not_run.size(), 2U);
            ASSERT_EQ(choices[row].weights.front(), free[row].weights.front()) << "weights from before the draw";
            if (share >= full) {
                ASSERT_EQ(choices[row], free[row]);
            }
            // The draw belongs to the row: alone it is the same as among others.
            ASSERT_EQ(drawn.one(rows[row]), choices[row]);
        }
        EXPECT_NEAR(used, expected, 4.0 * std::sqrt(variance)) << full;
        EXPECT_LT(used, 500.0);
        PolicyRunner other("top-k:k=2,seed=7,second=" + std::to_string(full), config);
        EXPECT_NE(other.step(rows), choices) << "another seed draws otherwise";
    }
}

TEST_F(Rules, WhatIsNotDrawnTakesNoPlaceInAQueue) {
    const ModelConfig config = moeConfig(8, 2);
    PolicyRunner drawn("top-k:k=2,second=0.5", config);
    PolicyRunner bounded("top-k:k=2,second=0.5,capacity=1", config);
    const std::vector<PolicyRow> rows = randomRows(random, 64, 8, false);
    const auto free = drawn.step(rows);
    const auto choices = bounded.step(rows);
    std::map<std::int32_t, std::int64_t> loads_so_far;
    for (std::size_t rank = 0; rank < 2; ++rank) {
        for (std::size_t row = 0; row < rows.size(); ++row) {
            if (rank >= free[row].ids.size()) continue;
            const std::int32_t expert = free[row].ids[rank];
            const bool kept = loads_so_far[expert]++ < 16;
            ASSERT_EQ(std::ranges::find(choices[row].ids, expert) != choices[row].ids.end(), kept) << row;
        }
    }
}

TEST(Capacity, IsTheEvenShareTimesTheFactorRoundedUp) {
    EXPECT_EQ(expertCapacity(1.0, 8, 128, 128), 8);
    EXPECT_EQ(expertCapacity(1.25, 1, 128, 64), 3);
    EXPECT_EQ(expertCapacity(1.1, 1, 100, 10), 11) << "11.000000000000002";
    EXPECT_EQ(expertCapacity(0.01, 1, 1, 128), 1);
}

// --- expert-choice ---------------------------------------------------------------------------------------------------

TEST_F(Rules, ExpertChoiceLoadsEveryExpertWithTheTokensThatItIsLikeliestFor) {
    for (const double capacity : {0.5, 1.0, 2.0}) {
        PolicyRunner runner("expert-choice:capacity=" + std::to_string(capacity), moeConfig());
        const std::vector<PolicyRow> rows = randomRows(random, 64, 32, false);
        const auto choices = runner.step(rows);
        const auto taken = static_cast<std::int64_t>(std::ceil(capacity * 4 * 64 / 32.0));
        std::set<std::size_t> sizes;
        for (const PolicyChoice& choice : choices) sizes.insert(choice.ids.size());
        EXPECT_GT(sizes.size(), 2U) << "tokens get different numbers of experts";
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            std::vector<float> with;
            std::vector<float> missing;
            for (const PolicyChoice& choice : choices)
                (std::ranges::find(choice.ids, expert) != choice.ids.end() ? with : missing)
                    .push_back(probabilityOf(choice, expert));
            ASSERT_EQ(std::ssize(with), taken);
            ASSERT_GE(*std::ranges::min_element(with), *std::ranges::max_element(missing));
        }
    }
}

TEST_F(Rules, OfTokensThatAreEquallyLikelyAnExpertTakesTheEarlier) {
    PolicyRunner runner("expert-choice:capacity=1", moeConfig());
    std::vector<PolicyRow> rows = randomRows(random, 64, 32, false);
    for (PolicyRow& row : rows) row.logits = rows.front().logits;
    const auto choices = runner.step(rows);  // each takes 8 of 64
    for (std::size_t row = 0; row < rows.size(); ++row) EXPECT_EQ(choices[row].ids.size(), row < 8 ? 32U : 0U) << row;
}

TEST_F(Rules, ExpertChoiceOfAFewTokensIsTheCheckpointsOwn) {
    PolicyRunner runner("expert-choice", moeConfig());
    PolicyRunner model("model", moeConfig());
    EXPECT_EQ(runner.policy().maxSlots(), 32);
    const std::vector<PolicyRow> rows = randomRows(random, 7, 32);  // 7 · 4 / 32 < 1
    EXPECT_EQ(runner.step(rows), model.step(rows));
    for (const PolicyRow& row : rows) EXPECT_EQ(runner.one(row), model.one(row));
}

TEST_F(Rules, ATokenThatNoExpertTakesHasNone) {
    PolicyRunner runner("expert-choice:capacity=0.25", moeConfig(8, 4));
    std::vector<PolicyRow> rows = randomRows(random, 32, 8, false);
    for (float& logit : rows[3].logits) logit = 0.0F;  // even: nobody's favourite
    const PolicyChoice choice = runner.step(rows)[3];
    EXPECT_TRUE(choice.ids.empty());
    EXPECT_TRUE((choice.flags & layer_flag::kNone) != 0);
}

}  // namespace
}  // namespace mixoscope
