// KL divergence and log-probabilities from logits, against sums in long double.
#include "engine/next_token_divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace mixoscope {
namespace {

std::vector<float> logits(std::size_t count, float spread, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, spread);
    std::vector<float> made(count);
    for (float& logit : made) logit = normal(random);
    return made;
}

std::vector<long double> probabilities(const std::vector<float>& logits) {
    long double sum = 0.0L;
    for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
    std::vector<long double> made;
    for (const float logit : logits) made.push_back(std::exp(static_cast<long double>(logit)) / sum);
    return made;
}

TEST(NextTokenDivergence, EqualsASumOverProbabilities) {
    for (const float spread : {0.1F, 1.0F, 4.0F}) {
        for (unsigned seed = 1; seed < 6; ++seed) {
            const auto base = logits(400, spread, seed);
            const auto other = logits(400, spread, seed + 100);
            const auto p = probabilities(base);
            const auto q = probabilities(other);
            long double expected = 0.0L;
            for (std::size_t token = 0; token < p.size(); ++token)
                expected += p[token] * (std::log(p[token]) - std::log(q[token]));
            EXPECT_NEAR(nextTokenDivergence(base, other), static_cast<double>(expected),
                        1e-12 * static_cast<double>(1.0L + expected));
            EXPECT_NEAR(logProbability(base, 17), static_cast<double>(std::log(p[17])), 1e-12);
        }
    }
}

TEST(NextTokenDivergence, IsZeroForEqualDistributionsAndOnlyThere) {
    auto base = logits(300, 8.0F, 3);
    EXPECT_EQ(nextTokenDivergence(base, base), 0.0);
    auto shifted = base;
    for (float& logit : shifted) logit += 2.0F;  // the same distribution up to rounding
    EXPECT_NEAR(nextTokenDivergence(base, shifted), 0.0, 1e-6);
    auto other = base;
    other[5] += 1.0F;
    EXPECT_GT(nextTokenDivergence(base, other), 0.0);
}

TEST(NextTokenDivergence, KeepsLargeLogitsAndTokensThatCannotFollow) {
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    const std::vector<float> base = {1000.0F, 1000.0F, kNever};
    const std::vector<float> other = {1000.0F, 999.0F, 998.0F};
    const double normaliser = std::log(1.0 + std::exp(-1.0) + std::exp(-2.0));
    EXPECT_NEAR(nextTokenDivergence(base, other), -std::log(2.0) + normaliser + 0.5, 1e-12);
    EXPECT_EQ(nextTokenDivergence(other, base), std::numeric_limits<double>::infinity());
    EXPECT_EQ(logProbability(base, 2), -std::numeric_limits<double>::infinity());
    EXPECT_TRUE(std::isnan(nextTokenDivergence(std::vector<float>{kNever, kNever}, std::vector<float>{0.0F, 0.0F})));
    EXPECT_TRUE(std::isnan(nextTokenDivergence(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0.0F},
                                               std::vector<float>{0.0F, 0.0F})));
    EXPECT_EQ(likeliestToken(std::vector<float>{1.0F, 3.0F, 3.0F}), 1);
}

}  // namespace
}  // namespace mixoscope
