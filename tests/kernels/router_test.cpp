// Choosing experts: order, ties, NaN, renormalisation, facts about the margin, any count of experts.
#include "kernels/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace mixoscope::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Selection {
    std::vector<std::int32_t> ids;
    std::vector<float> weights;
    SelectionFacts facts;
};

Selection select(const std::vector<float>& probabilities, int k, Renormalise renormalise, std::size_t slots) {
    Selection result{std::vector<std::int32_t>(slots, 99), std::vector<float>(slots, 99.0F), {}};
    result.facts = selectTopK(probabilities, k, renormalise, result.ids, result.weights);
    return result;
}

TEST(SelectTopK, TakesTheLikeliestInDescendingOrder) {
    const auto chosen = select({0.1F, 0.4F, 0.2F, 0.3F}, 2, Renormalise::kNo, 3);
    EXPECT_EQ(chosen.ids, (std::vector<std::int32_t>{1, 3, -1}));
    EXPECT_EQ(chosen.weights, (std::vector<float>{0.4F, 0.3F, 0.0F}));
    EXPECT_EQ(chosen.facts.next_expert, 2);
    EXPECT_EQ(chosen.facts.next_probability, 0.2F);
    EXPECT_EQ(chosen.facts.last_probability, 0.3F);
    EXPECT_EQ(chosen.facts.top_probability, 0.4F);
}

TEST(SelectTopK, LowerIdWinsATie) {
    const auto chosen = select({0.2F, 0.3F, 0.2F, 0.3F}, 3, Renormalise::kNo, 3);
    EXPECT_EQ(chosen.ids, (std::vector<std::int32_t>{1, 3, 0}));
    EXPECT_EQ(chosen.facts.next_expert, 2);
    EXPECT_EQ(select(std::vector<float>(512, 1.0F / 512), 4, Renormalise::kNo, 4).ids,
              (std::vector<std::int32_t>{0, 1, 2, 3}));
}

TEST(SelectTopK, NanRanksLastAndWeighsNothing) {
    const auto chosen = select({kNan, 0.0F, kNan, 0.7F}, 3, Renormalise::kYes, 3);
    EXPECT_EQ(chosen.ids, (std::vector<std::int32_t>{3, 1, 0}));
    EXPECT_EQ(chosen.weights, (std::vector<float>{1.0F, 0.0F, 0.0F}));
    EXPECT_EQ(chosen.facts.next_expert, 2);
    EXPECT_EQ(chosen.facts.next_probability, 0.0F);
    EXPECT_EQ(select({0.3F, 0.5F, kNan, 0.2F, kNan}, 2, Renormalise::kNo, 2).ids, (std::vector<std::int32_t>{1, 0}));
    const auto none = select({kNan, kNan}, 2, Renormalise::kYes, 2);
    EXPECT_EQ(none.ids, (std::vector<std::int32_t>{0, 1}));
    EXPECT_EQ(none.weights, (std::vector<float>{0.0F, 0.0F}));
}

TEST(SelectTopK, ANegativeProbabilityIsOutOfTheChoice) {
    const auto chosen = select({-1.0F, 0.0F, 0.5F, -1.0F, 0.5F}, 4, Renormalise::kYes, 5);
    EXPECT_EQ(chosen.ids, (std::vector<std::int32_t>{2, 4, 1, -1, -1}));
    EXPECT_EQ(chosen.weights, (std::vector<float>{0.5F, 0.5F, 0.0F, 0.0F, 0.0F}));
    EXPECT_EQ(chosen.facts.next_expert, -1);
    EXPECT_EQ(select({-1.0F, 0.2F, 0.5F, -1.0F, 0.3F}, 2, Renormalise::kNo, 2).facts.next_expert, 1);
    EXPECT_EQ(select({-1.0F, -1.0F}, 1, Renormalise::kYes, 1).ids, (std::vector<std::int32_t>{-1}));
}

TEST(DescribeSelection, FindsTheLikeliestThatWasPassedOver) {
    const std::vector<float> probabilities = {0.1F, 0.4F, 0.2F, 0.25F, 0.05F};
    const SelectionFacts facts = describeSelection(probabilities, std::vector<std::int32_t>{3, 0});
    EXPECT_EQ(facts.next_expert, 1);
    EXPECT_EQ(facts.next_probability, 0.4F);
    EXPECT_EQ(facts.top_probability, 0.4F);
    EXPECT_EQ(facts.last_probability, 0.1F);
    EXPECT_EQ(describeSelection(probabilities, std::vector<std::int32_t>{1, 3, 2, 4}).next_expert, 0);
    std::vector<std::int32_t> ids = {4, 2, 1};
    sortByRank(probabilities, ids);
    EXPECT_EQ(ids, (std::vector<std::int32_t>{1, 2, 4}));
}

TEST(SelectTopK, CountsOutsideTheExpertsAreClamped) {
    const auto all = select({0.25F, 0.75F}, 9, Renormalise::kNo, 4);
    EXPECT_EQ(all.ids, (std::vector<std::int32_t>{1, 0, -1, -1}));
    EXPECT_EQ(all.facts.next_expert, -1);
    EXPECT_EQ(all.facts.next_probability, 0.0F);
    const auto none = select({0.25F, 0.75F}, 0, Renormalise::kYes, 1);
    EXPECT_EQ(none.ids, (std::vector<std::int32_t>{-1}));
    EXPECT_EQ(none.facts.next_expert, 1);
}

TEST(SelectTopK, EntropyIsNormalised) {
    EXPECT_FLOAT_EQ(select(std::vector<float>(8, 0.125F), 1, Renormalise::kNo, 1).facts.entropy, 1.0F);
    EXPECT_EQ(select({0.0F, 1.0F, 0.0F}, 1, Renormalise::kNo, 1).facts.entropy, 0.0F);
    EXPECT_EQ(select({1.0F}, 1, Renormalise::kNo, 1).facts.entropy, 0.0F);
    EXPECT_NEAR(select({0.9F, 0.1F}, 1, Renormalise::kNo, 1).facts.entropy, 0.468996, 1e-5);
}

TEST(SelectTopK, AgreesWithAStableSortForAnyCountOfExperts) {
    const unsigned seed = 20250101;
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (const int experts : {1, 2, 3, 17, 60, 128, 129, 512}) {
        for (const int k : {1, 2, 8, experts / 2, experts - 1, experts}) {
            if (k < 1 || k > experts) continue;
            SCOPED_TRACE(testing::Message() << experts << " experts, k = " << k);
            std::vector<float> probabilities(static_cast<std::size_t>(experts));
            for (float& p : probabilities) p = static_cast<float>(random() % 40 + 1);  // many ties
            const float total = std::accumulate(probabilities.begin(), probabilities.end(), 0.0F);
            for (float& p : probabilities) p /= total;

            std::vector<std::int32_t> expected(static_cast<std::size_t>(experts));
            std::iota(expected.begin(), expected.end(), 0);
            std::stable_sort(expected.begin(), expected.end(), [&](std::int32_t left, std::int32_t right) {
                return probabilities[static_cast<std::size_t>(left)] > probabilities[static_cast<std::size_t>(right)];
            });
            const auto chosen = select(probabilities, k, Renormalise::kYes, static_cast<std::size_t>(k));
            EXPECT_TRUE(std::equal(chosen.ids.begin(), chosen.ids.end(), expected.begin()));
            EXPECT_EQ(chosen.facts.next_expert, k < experts ? expected[static_cast<std::size_t>(k)] : -1);
            const double sum = std::accumulate(chosen.weights.begin(), chosen.weights.end(), 0.0);
            EXPECT_NEAR(sum, 1.0, 1e-6);
        }
    }
}

}  // namespace
}  // namespace mixoscope::kernels
