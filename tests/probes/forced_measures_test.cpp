// Means and bootstrap intervals of teacher-forced judgements.
#include "probes/forced_measures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace mixoscope {
namespace {

std::vector<ForcedTokenMeasures> judged(std::size_t count, double mean, double spread, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(mean, spread);
    std::vector<ForcedTokenMeasures> tokens(count);
    for (std::size_t i = 0; i < count; ++i) {
        tokens[i].position = static_cast<std::int32_t>(i);
        tokens[i].logprob = normal(random);
        tokens[i].divergence = std::abs(normal(random));
        tokens[i].same_top = random() % 3 != 0;
    }
    return tokens;
}

TEST(ForcedMeasures, MeansAreThoseOfTheTokens) {
    const auto base = judged(300, -1.0, 0.3, 1);
    const auto lane = judged(300, -1.5, 0.5, 2);
    double nll = 0.0;
    double change = 0.0;
    double divergence = 0.0;
    double same = 0.0;
    for (std::size_t i = 0; i < 300; ++i) {
        nll += -lane[i].logprob / 300.0;
        change += (-lane[i].logprob + base[i].logprob) / 300.0;
        divergence += lane[i].divergence / 300.0;
        same += lane[i].same_top ? 1.0 / 300.0 : 0.0;
    }
    const ForcedMeasures measures = measureForced(base, lane, 9);
    EXPECT_EQ(measures.tokens, 300);
    EXPECT_NEAR(measures.nll, nll, 1e-9);
    EXPECT_NEAR(measures.nll_change.mean, change, 1e-9);
    EXPECT_NEAR(measures.divergence, divergence, 1e-9);
    EXPECT_NEAR(measures.same_top_share, same, 1e-9);
}

TEST(ForcedMeasures, TheIntervalIsAboutTwoStandardErrorsWideAndSeeded) {
    const auto base = judged(400, -1.0, 0.4, 3);
    const auto lane = judged(400, -1.3, 0.4, 4);
    double mean = 0.0;
    for (std::size_t i = 0; i < 400; ++i) mean += (base[i].logprob - lane[i].logprob) / 400.0;
    double variance = 0.0;
    for (std::size_t i = 0; i < 400; ++i) {
        const double deviation = base[i].logprob - lane[i].logprob - mean;
        variance += deviation * deviation / 399.0;
    }
    const double error = std::sqrt(variance / 400.0);
    const MeanWithInterval interval = measureForced(base, lane, 5).nll_change;
    EXPECT_NEAR(interval.low, mean - 1.96 * error, 0.2 * error);
    EXPECT_NEAR(interval.high, mean + 1.96 * error, 0.2 * error);
    const MeanWithInterval again = measureForced(base, lane, 5).nll_change;
    EXPECT_EQ(interval.low, again.low);
    EXPECT_EQ(interval.high, again.high);
    EXPECT_NE(measureForced(base, lane, 6).nll_change.low, interval.low);
}

TEST(ForcedMeasures, PairsTokensSoThatEqualLanesDifferByNothing) {
    const auto base = judged(50, -2.0, 1.0, 6);
    const ForcedMeasures measures = measureForced(base, base);
    EXPECT_EQ(measures.nll_change.mean, 0.0);
    EXPECT_EQ(measures.nll_change.low, 0.0);
    EXPECT_EQ(measures.nll_change.high, 0.0);
    const auto shorter = std::span(base).first(20);
    EXPECT_EQ(measureForced(base, shorter).tokens, 20);
}

TEST(ForcedMeasures, WithoutTokensThereIsNoMean) {
    const ForcedMeasures measures = measureForced({}, {});
    EXPECT_EQ(measures.tokens, 0);
    EXPECT_TRUE(std::isnan(measures.nll));
    EXPECT_TRUE(std::isnan(measures.nll_change.low));
    const auto base = judged(10, -1.0, 0.1, 7);
    EXPECT_TRUE(std::isnan(measureForcedMeans(base, base).nll_change.low)) << "means alone have no interval";
}

}  // namespace
}  // namespace mixoscope
