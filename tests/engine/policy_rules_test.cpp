// What all choosing rules promise, over many random router rows with ties: neutral settings that are the checkpoint's
// own rule bit for bit, and what a rule may and may not depend on.
#include "engine/policy_rules_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

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
using test::randomRows;
using test::Rules;
using test::startsWith;

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

TEST_F(Rules, AnyExpertsWithAFixedNumberOfRealSlotsIsTheCheckpointsRuleWhateverStandsForImportance) {
    for (const char* importance : {"surprisal", "norm", "confidence", "uncertainty", "constant"}) {
        for (const char* share : {"absorb", "damp"}) {
            for (const bool renormalise : {true, false})
                expectSame(
                    "any-experts:min=4,max=4,virtual=0,importance=" + std::string(importance) + ",share=" + share,
                    "model", moeConfig(32, 4, renormalise), random);
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

/// Rows of which everything is known that a rule may go by.
std::vector<PolicyRow> fullRows(std::mt19937& random, std::int64_t count, bool ties = true) {
    std::vector<PolicyRow> rows = randomRows(random, count, 32, ties);
    for (PolicyRow& row : rows) {
        row.logprob = -static_cast<float>(random() % 1000) * 0.01F;
        row.input = {static_cast<float>(random() % 1000) * 0.01F, 0.5F};
    }
    return rows;
}

/// The rule's choice goes with the experts when expert e moves to place[e].
void expectToGoWithTheExperts(const std::string& text, const std::vector<std::int32_t>& place, std::mt19937& random) {
    PolicyRunner left(text, moeConfig());
    PolicyRunner right(text, moeConfig());
    const std::vector<PolicyRow> rows = fullRows(random, 40, false);
    std::vector<PolicyRow> permuted = rows;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (std::size_t expert = 0; expert < 32; ++expert)
            permuted[row].logits[static_cast<std::size_t>(place[expert])] = rows[row].logits[expert];
    }
    const auto moved = [&](std::vector<std::int32_t> ids) {
        for (std::int32_t& id : ids) id = place[static_cast<std::size_t>(id)];
        return ids;
    };
    const std::vector<PolicyChoice> expected = left.step(rows);
    const std::vector<PolicyChoice> found = right.step(permuted);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        ASSERT_EQ(moved(expected[row].ids), found[row].ids) << text;
        ASSERT_EQ(moved(expected[row].not_run), found[row].not_run) << text;
        for (std::size_t slot = 0; slot < found[row].ids.size(); ++slot)
            ASSERT_NEAR(expected[row].weights[slot], found[row].weights[slot], 1e-6F) << text;
    }
}

/// The others are about positions of experts.
TEST_F(Rules, PermutingTheExpertsPermutesTheChoice) {
    std::vector<std::int32_t> place(32);
    std::iota(place.begin(), place.end(), 0);
    for (const char* text :
         {"model", "top-k:k=3,capacity=1", "top-k:k=3,capacity=0.7,drop=score", "top-p:p=0.7",
          "entropy:min=1,max=9,scale=0.4", "skip:beta=0.3", "any-experts:min=1,max=8,virtual=0.5",
          "any-experts:min=1,max=8,importance=norm", "any-experts:min=1,max=8,importance=confidence",
          "any-experts:importance=uncertainty", "any-experts:min=6,max=6,virtual=0.5,importance=constant,constant=0.2",
          "sigmoid:k=5", "bias-balanced:rate=0.02", "expert-choice:capacity=1.5"}) {
        std::ranges::shuffle(place, random);
        expectToGoWithTheExperts(text, place, random);
    }
}

TEST_F(Rules, PermutingGroupsAndTheExpertsWithinThemPermutesTheChoiceFromGroups) {
    std::vector<std::size_t> groups(8);
    std::iota(groups.begin(), groups.end(), 0U);
    for (int round = 0; round < 10; ++round) {
        std::ranges::shuffle(groups, random);
        std::vector<std::int32_t> place(32);
        for (std::size_t group = 0; group < 8; ++group) {
            const auto members = std::span(place).subspan(4 * group, 4);
            std::iota(members.begin(), members.end(), static_cast<std::int32_t>(4 * groups[group]));
            std::ranges::shuffle(members, random);
        }
        expectToGoWithTheExperts("sigmoid:k=6,groups=8,kept=2", place, random);
        expectToGoWithTheExperts("sigmoid:k=3,groups=8,kept=5,renorm=false,scale=2.5", place, random);
    }
}

TEST_F(Rules, ARowsChoiceDoesNotDependOnTheOtherRowsOfTheStepUnlessTheRuleSaysSo) {
    for (const PolicySpec& spec : policySpecs(moeConfig())) {
        if (spec.role == PolicyRole::kEdits) continue;
        PolicyRunner together(spec.name, moeConfig());
        if (together.policy().dependsOnStep()) continue;
        PolicyRunner alone(spec.name, moeConfig());
        const std::vector<PolicyRow> rows = fullRows(random, 64);
        const std::vector<PolicyChoice> choices = together.step(rows);
        // Also a rule with a memory sees its rows in their order, whatever the chunks.
        for (std::size_t row = 0; row < rows.size(); ++row) ASSERT_EQ(alone.one(rows[row]), choices[row]) << spec.name;
    }
}

TEST_F(Rules, NoRuleChoosesAnExpertThatIsTakenAway) {
    for (const PolicySpec& spec : policySpecs(moeConfig())) {
        if (spec.role == PolicyRole::kEdits) continue;
        PolicyRunner runner(spec.name + "+ban:experts=0-29", moeConfig());
        for (const PolicyChoice& choice : runner.step(randomRows(random, 40, 32)))
            for (const std::int32_t id : choice.ids) ASSERT_GE(id, 30) << spec.name;
    }
}

TEST_F(Rules, ARestartForgetsTheLane) {
    for (const char* text : {"bias-balanced:rate=0.05", "any-experts"}) {
        PolicyRunner runner(text, moeConfig());
        const std::vector<PolicyRow> rows = fullRows(random, 64);
        const auto first = runner.step(rows);
        EXPECT_FALSE(first == runner.step(rows)) << "it remembers";
        runner.restart();
        EXPECT_EQ(first, runner.step(rows));
    }
}

}  // namespace
}  // namespace mixoscope
