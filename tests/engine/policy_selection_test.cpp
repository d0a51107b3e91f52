// Rules that choose other experts than the likeliest: by other scores, at random, in turn, or by what they got so far.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

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

// --- sigmoid ---------------------------------------------------------------------------------------------------------

TEST_F(Rules, SigmoidWithOneGroupTakesTheLikeliestWithWeightsOfTheirOwn) {
    PolicyRunner plain("sigmoid:k=5", moeConfig());
    PolicyRunner scaled("sigmoid:k=5,scale=2.5", moeConfig());
    PolicyRunner raw("sigmoid:k=5,renorm=false", moeConfig());
    PolicyRunner top("top-k:k=5", moeConfig());
    for (int round = 0; round < kRounds; ++round) {
        const std::vector<float> logits = randomLogits(random, 32);
        const PolicyChoice choice = plain.one(logits);
        ASSERT_EQ(choice.ids, top.one(logits).ids);
        ASSERT_NEAR(scaled.one(logits).weightSum(), 2.5F, 1e-5F);
        const PolicyChoice own = raw.one(logits);
        for (std::size_t slot = 0; slot < own.ids.size(); ++slot) {
            const double logit = static_cast<double>(logits[static_cast<std::size_t>(own.ids[slot])]);
            ASSERT_NEAR(own.weights[slot], 1.0 / (1.0 + std::exp(-logit)), 1e-6);
        }
    }
}

TEST_F(Rules, SigmoidChoosesFromTheGroupsWithTheBestPairs) {
    PolicyRunner runner("sigmoid:k=6,groups=8,kept=2", moeConfig());
    for (int round = 0; round < kRounds; ++round) {
        const std::vector<float> logits = randomLogits(random, 32, false);
        std::vector<std::pair<double, int>> groups;
        for (int group = 0; group < 8; ++group) {
            std::vector<float> scores(logits.begin() + 4 * group, logits.begin() + 4 * group + 4);
            for (float& score : scores) score = 1.0F / (1.0F + std::exp(-score));
            std::ranges::sort(scores, std::greater<>());
            groups.emplace_back(-static_cast<double>(scores[0] + scores[1]), group);
        }
        std::ranges::sort(groups);
        std::vector<std::int32_t> expected;
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            if (expert / 4 == groups[0].second || expert / 4 == groups[1].second) expected.push_back(expert);
        }
        std::ranges::sort(expected, {}, [&](std::int32_t id) { return -logits[static_cast<std::size_t>(id)]; });
        expected.resize(6);
        ASSERT_EQ(runner.one(logits).ids, expected);
    }
}

TEST_F(Rules, OfEqualSigmoidsTheLowerIdIsChosenFirst) {
    PolicyRunner one("sigmoid:k=1", moeConfig());
    PolicyRunner grouped("sigmoid:k=6,groups=8,kept=2", moeConfig());
    PolicyRunner five("sigmoid:k=5", moeConfig());
    EXPECT_EQ(grouped.one(std::vector<float>(32, 0.5F)).ids, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
    for (int round = 0; round < kRounds; ++round) {
        const std::vector<float> logits = randomLogits(random, 32);  // with ties
        const std::vector<std::int32_t> ids = five.one(logits).ids;
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            if (std::ranges::find(ids, expert) != ids.end()) continue;
            for (const std::int32_t id : ids) {
                const bool tie = logits[static_cast<std::size_t>(id)] == logits[static_cast<std::size_t>(expert)];
                ASSERT_TRUE(!tie || id < expert) << id << " before " << expert;
            }
        }
    }
    // Scores are f32, in which a sigmoid is 1 from about 17 on: there the lower id wins over the likelier one.
    std::vector<float> logits(32, 0.0F);
    logits[4] = 30.0F;
    logits[20] = 40.0F;
    EXPECT_EQ(one.one(logits).ids, std::vector<std::int32_t>{4});
    logits.assign(32, -200.0F);  // and 0 down here
    logits[20] = -150.0F;
    EXPECT_EQ(one.one(logits).ids, std::vector<std::int32_t>{0});
    // Two groups with a score of 2 each, and one that is next.
    logits.assign(32, 0.0F);
    for (const std::size_t expert : {9U, 10U, 24U, 25U}) logits[expert] = expert < 16 ? 30.0F : 40.0F;
    PolicyRunner best_group("sigmoid:k=2,groups=8,kept=1", moeConfig());
    EXPECT_EQ(best_group.one(logits).ids, (std::vector<std::int32_t>{9, 10}));
}

// --- random, hash, round-robin ---------------------------------------------------------------------------------------

TEST_F(Rules, RandomDependsOnSeedPositionAndLayerAlone) {
    PolicyRunner runner("random:k=3,seed=5", moeConfig());
    PolicyRunner other("random:k=3,seed=6", moeConfig());
    const auto ids = [&](PolicyRunner& from, std::int64_t position, int layer) {
        std::vector<std::int32_t> chosen =
            from.one(PolicyRow{.logits = randomLogits(random, 32), .position = position}, layer).ids;
        std::ranges::sort(chosen);
        return chosen;
    };
    int differ = 0;
    for (std::int64_t position = 0; position < 50; ++position) {
        ASSERT_EQ(ids(runner, position, 0), ids(runner, position, 0)) << "whatever the logits say";
        differ += ids(runner, position, 0) != ids(runner, position, 1) ? 1 : 0;
        differ += ids(runner, position, 0) != ids(other, position, 0) ? 1 : 0;
        differ += ids(runner, position, 0) != ids(runner, position + 1, 0) ? 1 : 0;
    }
    EXPECT_GT(differ, 140);
}

TEST_F(Rules, RandomDrawsEverySetEquallyOften) {
    PolicyRunner runner("random:k=2", moeConfig(6, 2));
    std::map<std::vector<std::int32_t>, int> counts;
    constexpr int kDraws = 15000;
    for (std::int64_t position = 0; position < kDraws; ++position) {
        std::vector<std::int32_t> chosen =
            runner.one(PolicyRow{.logits = randomLogits(random, 6), .position = position}).ids;
        std::ranges::sort(chosen);
        ++counts[chosen];
    }
    ASSERT_EQ(counts.size(), 15U);
    // χ² with 14 degrees of freedom passes 36.1 once in a thousand times; the draws are fixed.
    double chi_squared = 0.0;
    for (const auto& [set, count] : counts) chi_squared += std::pow(count - kDraws / 15.0, 2.0) / (kDraws / 15.0);
    EXPECT_LT(chi_squared, 36.1);
}

TEST_F(Rules, HashGivesATokenTheSameExpertsEverywhere) {
    PolicyRunner runner("hash:k=3", moeConfig());
    std::map<TokenId, std::vector<std::int32_t>> known;
    for (const PolicyRow& row : randomRows(random, 400, 32)) {
        std::vector<std::int32_t> chosen = runner.one(row).ids;
        std::ranges::sort(chosen);
        const auto [place, is_new] = known.try_emplace(row.token, chosen);
        ASSERT_EQ(place->second, chosen);
    }
    std::set<std::vector<std::int32_t>> sets;
    for (const auto& [token, set] : known) sets.insert(set);
    EXPECT_GT(sets.size(), 40U) << "of 50 tokens";
}

TEST_F(Rules, APositionAndATokenOfTheSameNumberDrawApart) {
    PolicyRunner drawn("random:k=3", moeConfig());
    PolicyRunner hashed("hash:k=3", moeConfig());
    const std::vector<float> logits = randomLogits(random, 32);
    int same = 0;
    for (int number = 0; number < 50; ++number) {
        const PolicyRow row{.logits = logits, .position = number, .token = number};
        same += drawn.one(row).ids == hashed.one(row).ids ? 1 : 0;
    }
    EXPECT_LT(same, 5);
}

TEST_F(Rules, RoundRobinLoadsAllExpertsAlike) {
    PolicyRunner runner("round-robin:k=4", moeConfig());
    for (const std::int64_t count : loads(runner.step(randomRows(random, 64, 32)), 32)) EXPECT_EQ(count, 8);
    std::vector<std::int32_t> third = runner.one(PolicyRow{.logits = randomLogits(random, 32), .position = 2}).ids;
    std::ranges::sort(third);
    EXPECT_EQ(third, (std::vector<std::int32_t>{8, 9, 10, 11}));
}

// --- bias-balanced ---------------------------------------------------------------------------------------------------

TEST_F(Rules, BiasBalancingEvensOutALoadThatLeans) {
    std::vector<PolicyRow> rows = randomRows(random, 400, 32, false);
    for (PolicyRow& row : rows) {
        for (std::size_t expert = 0; expert < 8; ++expert) row.logits[expert] += 2.0F;
    }
    const auto spread = [&](const char* text) {
        PolicyRunner runner(text, moeConfig());
        const auto counts = loads(runner.step(rows), 32);
        return *std::ranges::max_element(counts) - *std::ranges::min_element(counts);
    };
    const std::int64_t free = spread("bias-balanced:rate=0");
    const std::int64_t slow = spread("bias-balanced:rate=0.0005");
    const std::int64_t fast = spread("bias-balanced:rate=0.05");
    EXPECT_GT(free, slow);
    EXPECT_GT(slow, fast);
    EXPECT_LE(fast, 6);
}

TEST_F(Rules, OfExpertsWithEqualProbabilityAndLoadTheLowerIdGetsTheToken) {
    PolicyRunner even("bias-balanced:k=4,rate=0.01", moeConfig());
    for (int round = 0; round < 3; ++round) {
        for (std::int32_t token = 0; token < 8; ++token) {  // eight tokens go round all 32
            const std::int32_t first = 4 * token;
            ASSERT_EQ(even.one(std::vector<float>(32, 0.5F)).ids,
                      (std::vector<std::int32_t>{first, first + 1, first + 2, first + 3}));
        }
    }
    PolicyRunner runner("bias-balanced:k=5,rate=0.02", moeConfig());
    std::vector<int> load(32, 0);
    int ties = 0;
    for (int round = 0; round < kRounds; ++round) {
        const PolicyChoice choice = runner.one(randomLogits(random, 32));  // with ties
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            if (std::ranges::find(choice.ids, expert) != choice.ids.end()) continue;
            for (const std::int32_t id : choice.ids) {
                if (probabilityOf(choice, id) != probabilityOf(choice, expert)) continue;
                if (load[static_cast<std::size_t>(id)] != load[static_cast<std::size_t>(expert)]) continue;
                ++ties;
                ASSERT_LT(id, expert);
            }
        }
        for (const std::int32_t id : choice.ids) ++load[static_cast<std::size_t>(id)];
    }
    EXPECT_GT(ties, 10);
}

TEST_F(Rules, TheBalancingBiasIsTheSumOfItsUpdates) {
    constexpr double kRate = 0.01;
    PolicyRunner runner("bias-balanced:k=3,rate=0.01", moeConfig());
    std::vector<double> bias(32, 0.0);
    for (int round = 0; round < kRounds; ++round) {
        const PolicyChoice choice = runner.one(randomLogits(random, 32, false));
        std::vector<std::int32_t> order(32);
        std::iota(order.begin(), order.end(), 0);
        std::ranges::sort(order, {}, [&](std::int32_t id) {
            return -(static_cast<double>(probabilityOf(choice, id)) + bias[static_cast<std::size_t>(id)]);
        });
        std::set<std::int32_t> expected(order.begin(), order.begin() + 3);
        ASSERT_EQ(std::set<std::int32_t>(choice.ids.begin(), choice.ids.end()), expected);
        const double mean = 3.0 / 32.0;
        for (std::int32_t id = 0; id < 32; ++id)
            bias[static_cast<std::size_t>(id)] += kRate * (mean > (expected.contains(id) ? 1.0 : 0.0) ? 1.0 : -1.0);
    }
}

}  // namespace
}  // namespace mixoscope
