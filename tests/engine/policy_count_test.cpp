// Rules that decide how many experts a token gets: limits, monotony and each rule's own definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/policy_rules_test.h"
#include "support/policy_runner.h"

namespace mixoscope {
namespace {

using test::expectSame;
using test::kRounds;
using test::moeConfig;
using test::PolicyChoice;
using test::PolicyRow;
using test::PolicyRunner;
using test::probabilityOf;
using test::randomLogits;
using test::Rules;
using test::startsWith;

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

TEST_F(Rules, TopPOfOneTakesAllExpertsHoweverTheirSumIsRounded) {
    PolicyRunner runner("top-p:p=1", moeConfig());
    for (int round = 0; round < kRounds; ++round) {
        std::vector<float> logits = randomLogits(random, 32);
        for (float& logit : logits) logit *= static_cast<float>(1 + round % 8);  // tails that no sum shows
        ASSERT_EQ(runner.one(logits).ids.size(), 32U);
    }
}

TEST_F(Rules, MassThatEqualsPDoesNotPassIt) {
    PolicyRunner runner("top-p:p=0.5", moeConfig(4, 2));
    EXPECT_EQ(runner.one(std::vector<float>(4, 0.5F)).ids.size(), 3U);
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

TEST_F(Rules, SkipKeepsExpertsAtTheThreshold) {
    PolicyRunner runner("skip:k=8,beta=1", moeConfig());
    EXPECT_EQ(runner.one(std::vector<float>(32, 0.5F)).ids.size(), 8U);
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

TEST_F(Rules, AnyExpertsNeverHasMoreVirtualSlotsThanItsShareAllows) {
    PolicyRunner runner("any-experts:min=8,max=8,virtual=0.2,importance=constant,constant=0", moeConfig(128, 8));
    EXPECT_EQ(runner.one(randomLogits(random, 128)).not_run.size(), 1U) << "1.6 of 8 is one, not two";
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

}  // namespace
}  // namespace mixoscope
