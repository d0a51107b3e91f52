// Windows of a text against what they promise, and the interval of a ratio against published and simulated values.
#include "sessions/text_windows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "sessions/ratio_interval.h"

namespace mixoscope {
namespace {

TEST(TextWindows, AreThoseOfTheGuide) {
    EXPECT_EQ(textWindows(10, 4, 2), (std::vector<TextWindow>{{0, 1, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 10}}));
    EXPECT_EQ(textWindows(9, 4, 2), (std::vector<TextWindow>{{0, 1, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 9}}))
        << "the last one is ragged";
    EXPECT_EQ(textWindows(10, 4, 4), (std::vector<TextWindow>{{0, 1, 4}, {4, 5, 8}, {8, 9, 10}}));
    EXPECT_EQ(textWindows(9, 4, 4), (std::vector<TextWindow>{{0, 1, 4}, {4, 5, 8}}))
        << "before the last token nothing stands";
    EXPECT_EQ(textWindows(3, 1024, 512), (std::vector<TextWindow>{{0, 1, 3}}));
    EXPECT_TRUE(textWindows(1, 4, 2).empty());
    EXPECT_TRUE(textWindows(0, 4, 2).empty());
}

TEST(TextWindows, ScoreEachTokenOnceWithinTheWindow) {
    for (std::int64_t tokens = 2; tokens < 40; ++tokens) {
        for (std::int64_t window = 2; window < 12; ++window) {
            for (std::int64_t stride = 1; stride <= window; ++stride) {
                std::vector<int> scored(static_cast<std::size_t>(tokens));
                const auto windows = textWindows(tokens, window, stride);
                for (const TextWindow& part : windows) {
                    EXPECT_GE(part.begin, 0);
                    EXPECT_GT(part.scored, part.begin);
                    EXPECT_LE(part.end - part.begin, window);
                    EXPECT_LE(part.end - part.begin, windows.front().end) << "the first one is the longest";
                    for (std::int64_t i = part.scored; i < part.end; ++i) ++scored.at(static_cast<std::size_t>(i));
                }
                for (std::int64_t i = 0; i < tokens; ++i) {
                    const bool first = i == 0 || (stride == window && i % window == 0);
                    ASSERT_EQ(scored[static_cast<std::size_t>(i)], first ? 0 : 1)
                        << i << " of " << tokens << ", window " << window << ", stride " << stride;
                }
            }
        }
    }
}

TEST(StudentQuantile, EqualsPublishedValues) {
    const std::pair<std::int64_t, double> published[] = {{1, 12.7062}, {2, 4.3027},  {4, 2.7764},  {5, 2.5706},
                                                         {7, 2.3646},  {10, 2.2281}, {30, 2.0423}, {120, 1.9799}};
    for (const auto& [degrees, quantile] : published) EXPECT_NEAR(studentQuantile(degrees), quantile, 0.003) << degrees;
    EXPECT_NEAR(studentQuantile(1'000'000), 1.959966, 1e-5);
}

TEST(RatioWithInterval, IsTheMeanWithStudentsIntervalForEqualWeights) {
    const std::vector<WeightedSum> units = {{6.0, 2.0}, {2.0, 2.0}, {4.0, 2.0}};
    const MeanWithInterval found = ratioWithInterval(units);
    // Means 3, 1, 2: their mean is 2, its standard error 1 / √3.
    EXPECT_DOUBLE_EQ(found.mean, 2.0);
    EXPECT_NEAR(found.low, 2.0 - 4.30265 / std::sqrt(3.0), 1e-9);
    EXPECT_NEAR(found.high, 2.0 + 4.30265 / std::sqrt(3.0), 1e-9);
    EXPECT_TRUE(std::isnan(ratioWithInterval({}).mean));
    const MeanWithInterval one = ratioWithInterval(std::span(units).first(1));
    EXPECT_DOUBLE_EQ(one.mean, 3.0);
    EXPECT_TRUE(std::isnan(one.low));
}

TEST(RatioWithInterval, HoldsTheRatioNineteenTimesInTwenty) {
    std::mt19937 random(7);
    std::uniform_int_distribution<int> weight(20, 60);
    std::normal_distribution<double> noise(0.0, 1.0);
    constexpr int kTrials = 4000;
    int held = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
        std::vector<WeightedSum> units;
        for (int i = 0; i < 12; ++i) {
            const double w = weight(random);
            const double shared = 0.3 * noise(random);  // tokens of a window go together
            units.push_back({.value = w * (2.0 + shared) + std::sqrt(w) * noise(random), .weight = w});
        }
        const MeanWithInterval found = ratioWithInterval(units);
        held += found.low <= 2.0 && 2.0 <= found.high ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(held) / kTrials, 0.95, 0.015);
}

}  // namespace
}  // namespace mixoscope
