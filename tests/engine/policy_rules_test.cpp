// What each choosing rule promises, over many random router rows with ties: neutral settings that are the checkpoint's
// own rule bit for bit, limits, monotony, conservation, and what a rule may and may not depend on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "engine/dispatch.h"
#include "engine/error.h"
#include "support/policy_runner.h"

namespace mixoscope {
namespace {

using test::moeConfig;
using test::PolicyChoice;
using test::PolicyRow;
using test::PolicyRunner;
using test::randomLogits;
using test::randomRows;

constexpr unsigned kSeed = 4711;
constexpr int kRounds = 200;

float probabilityOf(const PolicyChoice& choice, std::int32_t id) {
    return choice.probabilities[static_cast<std::size_t>(id)];
}

bool startsWith(const std::vector<std::int32_t>& all, const std::vector<std::int32_t>& first) {
    return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
}

std::vector<std::int64_t> loads(const std::vector<PolicyChoice>& choices, std::int64_t experts) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(experts), 0);
    for (const PolicyChoice& choice : choices) {
        for (const std::int32_t id : choice.ids) ++counts[static_cast<std::size_t>(id)];
    }
    return counts;
}

class Rules : public testing::Test {
protected:
    Rules() { RecordProperty("seed", std::to_string(kSeed)); }
    std::mt19937 random{kSeed};
};

/// Two texts choose the same bits, one row a step and many rows a step.
void expectSame(const std::string& left_text, const std::string& right_text, const ModelConfig& config,
                std::mt19937& random) {
    PolicyRunner left(left_text, config);
    PolicyRunner right(right_text, config);
    std::vector<PolicyRow> rows = randomRows(random, kRounds, config.num_experts);
    for (PolicyRow& row : rows) row.logprob = -1.0F;
    EXPECT_EQ(left.step(rows), right.step(rows)) << left_text << " / " << right_text;
    left.restart();
    right.restart();
    for (const PolicyRow& row : rows) ASSERT_EQ(left.one(row, 1), right.one(row, 1)) << left_text;
}

TEST_F(Rules, NeutralSettingsAreTheCheckpointsRuleBitForBit) {
    for (const auto& [experts, k] : {std::pair{8, 1}, {32, 4}, {60, 4}, {128, 8}, {16, 16}}) {
        const std::string own = std::to_string(k);
        for (const bool renormalise : {true, false}) {
            const ModelConfig config = moeConfig(experts, k, renormalise);
            for (const std::string& text :
                 {std::string("top-k"), "top-k:k=" + own, "top-k:k=" + own + ",capacity=1000",
                  "top-k:k=" + own + ",capacity=1000,drop=score", "top-p:p=0.5,min=" + own + ",max=" + own,
                  "entropy:min=" + own + ",max=" + own, std::string("skip:beta=0"),
                  "any-experts:min=" + own + ",max=" + own + ",virtual=0",
                  "any-experts:min=" + own + ",max=" + own + ",virtual=0,importance=norm",
                  std::string("bias-balanced:rate=0"), std::string("prune"), std::string("bias:experts=0,add=0")})
                expectSame(text, "model", config, random);
        }
    }
}

TEST_F(Rules, ASmallerKIsAPrefixAndRawWeightsAreTheProbabilities) {
    for (const bool renormalise : {true, false}) {
        const ModelConfig config = moeConfig(32, 4, renormalise);
        PolicyRunner all("top-k:k=32", config);
        for (int k = 1; k <= 32; ++k) {
            PolicyRunner some("top-k:k=" + std::to_string(k), config);
            const std::vector<float> logits = randomLogits(random, 32);
            const PolicyChoice choice = some.one(logits);
            ASSERT_EQ(choice.ids.size(), static_cast<std::size_t>(k));
            ASSERT_TRUE(startsWith(all.one(logits).ids, choice.ids));
            ASSERT_EQ((choice.flags & layer_flag::kOwnSum) == 0, renormalise);
            if (renormalise) continue;
            for (std::size_t slot = 0; slot < choice.ids.size(); ++slot)
                ASSERT_EQ(choice.weights[slot], probabilityOf(choice, choice.ids[slot]));
        }
    }
    PolicyRunner raw("top-k:k=3,renorm=false", moeConfig());
    EXPECT_LT(raw.one(randomLogits(random, 32)).weightSum(), 1.0F);
}

TEST_F(Rules, RenormalisedWeightsAreASoftmaxOverTheChosenLogits) {
    PolicyRunner runner("random:k=5", moeConfig());
    for (std::int64_t position = 0; position < kRounds; ++position) {
        const std::vector<float> logits = randomLogits(random, 32);
        const PolicyChoice choice = runner.one(PolicyRow{.logits = logits, .position = position});
        double sum = 0.0;
        for (const std::int32_t id : choice.ids)
            sum += std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)]));
        for (std::size_t slot = 0; slot < choice.ids.size(); ++slot) {
            const double logit = static_cast<double>(logits[static_cast<std::size_t>(choice.ids[slot])]);
            ASSERT_NEAR(choice.weights[slot], std::exp(logit) / sum, 1e-5);
        }
    }
}

/// Rules whose choice goes with the experts when these change places; the others are about positions of experts.
TEST_F(Rules, PermutingTheExpertsPermutesTheChoice) {
    std::vector<std::int32_t> place(32);
    std::iota(place.begin(), place.end(), 0);
    for (const char* text : {"model", "top-k:k=3,capacity=1", "top-k:k=3,capacity=0.7,drop=score", "top-p:p=0.7",
                             "entropy:min=1,max=9,scale=0.4", "skip:beta=0.3", "any-experts:importance=uncertainty",
                             "sigmoid:k=5", "bias-balanced:rate=0.02", "expert-choice:capacity=1.5"}) {
        std::ranges::shuffle(place, random);
        PolicyRunner left(text, moeConfig());
        PolicyRunner right(text, moeConfig());
        const std::vector<PolicyRow> rows = randomRows(random, 40, 32, false);
        std::vector<PolicyRow> permuted = rows;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            for (std::size_t expert = 0; expert < 32; ++expert)
                permuted[row].logits[static_cast<std::size_t>(place[expert])] = rows[row].logits[expert];
        }
        std::vector<PolicyChoice> expected = left.step(rows);
        const std::vector<PolicyChoice> found = right.step(permuted);
        for (std::size_t row = 0; row < rows.size(); ++row) {
            for (std::int32_t& id : expected[row].ids) id = place[static_cast<std::size_t>(id)];
            ASSERT_EQ(expected[row].ids, found[row].ids) << text;
            for (std::size_t slot = 0; slot < found[row].ids.size(); ++slot)
                ASSERT_NEAR(expected[row].weights[slot], found[row].weights[slot], 1e-6F) << text;
        }
    }
}

TEST_F(Rules, ARowsChoiceDoesNotDependOnTheOtherRowsOfTheStepUnlessTheRuleSaysSo) {
    for (const PolicySpec& spec : policySpecs(moeConfig())) {
        if (spec.role == PolicyRole::kEdits) continue;
        PolicyRunner together(spec.name, moeConfig());
        if (together.policy().dependsOnStep()) continue;
        PolicyRunner alone(spec.name, moeConfig());
        std::vector<PolicyRow> rows = randomRows(random, 64, 32);
        for (PolicyRow& row : rows) row.logprob = -static_cast<float>(random() % 1000) * 0.01F;
        const std::vector<PolicyChoice> choices = together.step(rows);
        // Also a rule with a memory sees its rows in their order, whatever the chunks.
        for (std::size_t row = 0; row < rows.size(); ++row) ASSERT_EQ(alone.one(rows[row]), choices[row]) << spec.name;
    }
}

TEST_F(Rules, ARestartForgetsTheLane) {
    for (const char* text : {"bias-balanced:rate=0.05", "any-experts"}) {
        PolicyRunner runner(text, moeConfig());
        std::vector<PolicyRow> rows = randomRows(random, 64, 32);
        for (PolicyRow& row : rows) row.logprob = -static_cast<float>(random() % 1000) * 0.01F;
        const auto first = runner.step(rows);
        EXPECT_FALSE(first == runner.step(rows)) << "it remembers";
        runner.restart();
        EXPECT_EQ(first, runner.step(rows));
    }
}

// --- top-p -----------------------------------------------------------------------------------------------------------

TEST_F(Rules, TopPTakesTheSmallestSetWhoseMassPassesP) {
    PolicyRunner runner("top-p:p=0.6", moeConfig());
    for (int round = 0; round < kRounds; ++round) {
        const PolicyChoice choice = runner.one(randomLogits(random, 32));
        double mass = 0.0;
        for (const std::int32_t id : choice.ids) mass += static_cast<double>(probabilityOf(choice, id));
        ASSERT_GT(mass, 0.6);
        ASSERT_LE(mass - static_cast<double>(probabilityOf(choice, choice.ids.back())), 0.6);
    }
}

TEST_F(Rules, TopPGrowsWithPFromOneExpertToAll) {
    for (int round = 0; round < 20; ++round) {
        const std::vector<float> logits = randomLogits(random, 32);
        std::vector<std::int32_t> smaller;
        for (int step = 0; step <= 20; ++step) {
            PolicyRunner runner("top-p:p=" + std::to_string(0.05 * step), moeConfig());
            const PolicyChoice choice = runner.one(logits);
            ASSERT_TRUE(startsWith(choice.ids, smaller));
            if (step == 0) {
                ASSERT_EQ(choice.ids.size(), 1U);
            }
            smaller = choice.ids;
        }
        ASSERT_EQ(smaller.size(), 32U);
    }
    for (const bool renormalise : {true, false})
        expectSame("top-p:p=1", "top-k:k=32", moeConfig(32, 4, renormalise), random);
}

TEST_F(Rules, TopPKeepsWithinItsBounds) {
    PolicyRunner runner("top-p:p=0.5,min=3,max=6", moeConfig());
    std::set<std::size_t> sizes;
    for (int round = 0; round < kRounds; ++round) {
        std::vector<float> logits = randomLogits(random, 32);
        for (float& logit : logits) logit *= 0.02F * static_cast<float>(round);
        sizes.insert(runner.one(logits).ids.size());
    }
    EXPECT_EQ(*sizes.begin(), 3U);
    EXPECT_EQ(*sizes.rbegin(), 6U);
    EXPECT_EQ(runner.policy().maxSlots(), 6);
}

// --- entropy ---------------------------------------------------------------------------------------------------------

TEST_F(Rules, EntropyGoesFromFewestForASureRouterToMostForAnEvenOne) {
    PolicyRunner runner("entropy:min=2,max=12", moeConfig());
    std::vector<float> sure(32, 0.0F);
    sure[5] = 80.0F;
    EXPECT_EQ(runner.one(sure).ids.size(), 2U);
    EXPECT_EQ(runner.one(std::vector<float>(32, 0.3F)).ids.size(), 12U);
    for (int round = 0; round < 20; ++round) {
        const std::vector<float> logits = randomLogits(random, 32);
        std::size_t before = 0;
        for (float temperature = 0.125F; temperature < 20.0F; temperature *= 2.0F) {
            std::vector<float> scaled = logits;
            for (float& logit : scaled) logit /= temperature;
            const std::size_t count = runner.one(scaled).ids.size();
            ASSERT_GE(count, before);
            before = count;
        }
        std::vector<float> shifted = logits;
        for (float& logit : shifted) logit += 3.0F;
        ASSERT_EQ(runner.one(shifted).ids, runner.one(logits).ids);
    }
}

TEST_F(Rules, EntropyCountIsItsFormula) {
    PolicyRunner runner("entropy:min=1,max=32,exponent=0.5,scale=1.5", moeConfig());
    for (int round = 0; round < kRounds; ++round) {
        const PolicyChoice choice = runner.one(randomLogits(random, 32));
        double entropy = 0.0;
        for (const float p : choice.probabilities) entropy -= static_cast<double>(p) * std::log(static_cast<double>(p));
        const double exact = 1.5 * std::sqrt(std::exp(entropy));
        if (std::abs(exact - std::floor(exact) - 0.5) < 1e-3) continue;
        ASSERT_EQ(static_cast<double>(choice.ids.size()), std::round(exact));
    }
}

// --- skip ------------------------------------------------------------------------------------------------------------

TEST_F(Rules, SkipKeepsExactlyTheExpertsAboveItsThreshold) {
    for (int round = 0; round < 20; ++round) {
        const std::vector<float> logits = randomLogits(random, 32, false);
        std::vector<std::int32_t> larger;
        for (int step = 0; step <= 20; ++step) {
            const double beta = 0.05 * step;
            PolicyRunner runner("skip:k=8,beta=" + std::to_string(beta), moeConfig());
            const PolicyChoice choice = runner.one(logits);
            const double first = static_cast<double>(probabilityOf(choice, choice.ids[0]));
            for (const std::int32_t id : choice.ids)
                ASSERT_GE(static_cast<double>(probabilityOf(choice, id)), beta * first * (1.0 - 1e-6));
            if (choice.ids.size() < 8) {
                ASSERT_LT(static_cast<double>(choice.facts.next_probability), beta * first * (1.0 + 1e-6));
            }
            ASSERT_NEAR(choice.weightSum(), 1.0F, 1e-6F);
            if (step > 0) {
                ASSERT_TRUE(startsWith(larger, choice.ids)) << "fewer with a larger beta";
            }
            larger = choice.ids;
        }
        ASSERT_EQ(larger.size(), 1U) << "beta 1 without ties";
        PolicyRunner at_least("skip:k=8,beta=1,min=3", moeConfig());
        ASSERT_EQ(at_least.one(logits).ids.size(), 3U);
    }
}

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

// --- any-experts -----------------------------------------------------------------------------------------------------

TEST_F(Rules, AnyExpertsSlotsFollowImportance) {
    std::size_t before = 0;
    for (int step = 0; step <= 20; ++step) {
        const double importance = 0.05 * step;
        PolicyRunner runner("any-experts:min=6,max=10,importance=constant,constant=" + std::to_string(importance),
                            moeConfig(128, 8));
        PolicyRunner top("top-k:k=10", moeConfig(128, 8));
        const std::vector<float> logits = randomLogits(random, 128);
        const PolicyChoice choice = runner.one(logits);
        const std::size_t slots = choice.ids.size() + choice.not_run.size();
        ASSERT_EQ(slots, 6U + static_cast<std::size_t>(std::lround(4.0 * importance)));
        ASSERT_GE(choice.ids.size(), before) << "real experts never fall with importance";
        before = choice.ids.size();
        std::vector<std::int32_t> all = choice.ids;
        all.insert(all.end(), choice.not_run.begin(), choice.not_run.end());
        ASSERT_TRUE(startsWith(top.one(logits).ids, all)) << "the weakest are virtual";
        if (step == 0) {
            ASSERT_GE(static_cast<double>(choice.ids.size()), 0.8 * 6.0);
        }
        if (step == 20) {
            ASSERT_TRUE(choice.not_run.empty() && choice.ids.size() == 10);
        }
        ASSERT_EQ((choice.flags & layer_flag::kDropped), 0);
        ASSERT_NEAR(choice.weightSum(), 1.0F, 1e-6F);
    }
}

TEST_F(Rules, AnyExpertsDampingLosesTheVirtualShare) {
    const char* base = "any-experts:min=8,max=8,virtual=0.5,importance=constant,constant=0";
    PolicyRunner absorb(base, moeConfig(128, 8));
    PolicyRunner damp(std::string(base) + ",share=damp", moeConfig(128, 8));
    PolicyRunner model("model", moeConfig(128, 8));
    for (int round = 0; round < 50; ++round) {
        const std::vector<float> logits = randomLogits(random, 128);
        const PolicyChoice choice = damp.one(logits);
        ASSERT_EQ(choice.ids.size(), 4U);
        ASSERT_EQ(choice.not_run.size(), 4U);
        ASSERT_TRUE((choice.flags & layer_flag::kOwnSum) != 0 && (choice.flags & layer_flag::kVirtual) != 0);
        const PolicyChoice own = model.one(logits);
        for (std::size_t slot = 0; slot < 4; ++slot) ASSERT_NEAR(choice.weights[slot], own.weights[slot], 1e-6F);
        ASSERT_EQ(absorb.one(logits).ids, choice.ids);
        ASSERT_NEAR(absorb.one(logits).weightSum(), 1.0F, 1e-6F);
    }
}

TEST_F(Rules, AnyExpertsRanksSurprisalAmongTheLastTokens) {
    PolicyRunner runner("any-experts:min=1,max=9,virtual=0,window=4", moeConfig());
    const auto slots = [&](float surprisal) {
        return runner.one(PolicyRow{.logits = randomLogits(random, 32), .logprob = -surprisal}).ids.size();
    };
    EXPECT_EQ(slots(3.0F), 5U) << "nothing to compare with";
    EXPECT_EQ(slots(4.0F), 9U);
    EXPECT_EQ(slots(2.0F), 1U);
    EXPECT_EQ(slots(3.5F), 1U + 5U) << "above two of three: 1 + round(8 · 2/3)";
    EXPECT_EQ(slots(3.0F), 1U + 3U) << "above one, equal to one, of four: 1 + round(8 · 1.5/4)";
    EXPECT_EQ(slots(5.0F), 9U) << "the first has left the window";
    EXPECT_EQ(runner.one(PolicyRow{.logits = randomLogits(random, 32)}).ids.size(), 5U) << "a prompt token";
}

TEST_F(Rules, AnyExpertsConfidenceAndUncertaintyAreOpposites) {
    PolicyRunner confidence("any-experts:min=2,max=10,virtual=0,importance=confidence", moeConfig());
    PolicyRunner uncertainty("any-experts:min=2,max=10,virtual=0,importance=uncertainty", moeConfig());
    std::vector<float> sure(32, 0.0F);
    sure[3] = 90.0F;
    EXPECT_EQ(confidence.one(sure).ids.size(), 10U);
    EXPECT_EQ(uncertainty.one(sure).ids.size(), 2U);
    EXPECT_EQ(confidence.one(std::vector<float>(32, 1.0F)).ids.size(), 2U);
    PolicyRunner norm("any-experts:min=2,max=10,virtual=0,importance=norm", moeConfig());
    const auto slots = [&](float length) {
        return norm.one(PolicyRow{.logits = randomLogits(random, 32), .input = {length, 0.0F, -length}}).ids.size();
    };
    slots(1.0F);
    EXPECT_EQ(slots(2.0F), 10U);
    EXPECT_EQ(slots(0.5F), 2U);
}

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
