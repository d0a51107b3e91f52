// The passes over the vocabulary that a drawn token costs, against plain loops.
#include "kernels/cpu/logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace mixoscope::kernels::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// As many logits as a vocabulary has: sizes that fill no vector, no block, and whole ones.
const std::vector<std::size_t> kSizes = {1, 3, 7, 16, 31, 255, 256, 257, 640, 1000, 32768, 151936};

std::vector<float> someLogits(std::size_t count, float spread) {
    std::mt19937 random(static_cast<std::uint32_t>(count));
    std::normal_distribution<float> normal(-3.0F, spread);
    std::vector<float> logits(count);
    std::ranges::generate(logits, [&] { return normal(random); });
    return logits;
}

TEST(Logits, TheLargestIsFoundInEveryPlace) {
    for (const std::size_t size : kSizes) {
        std::vector<float> logits = someLogits(size, 4.0F);
        EXPECT_EQ(largestLogit(logits), *std::ranges::max_element(logits)) << size;
        for (const std::size_t place : {std::size_t{0}, size / 2, size - 1}) {
            std::vector<float> peaked(size, -kInfinity);
            peaked[place] = -7.5F;
            EXPECT_EQ(largestLogit(peaked), -7.5F) << size << " " << place;
        }
    }
}

TEST(Logits, WhatIsNoDistributionHasNoLargest) {
    for (const std::size_t size : kSizes) {
        EXPECT_FALSE(largestLogit(std::vector<float>(size, -kInfinity))) << size;
        for (const std::size_t place : {std::size_t{0}, size / 2, size - 1}) {
            for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
                std::vector<float> logits = someLogits(size, 4.0F);
                logits[place] = bad;
                EXPECT_FALSE(largestLogit(logits)) << size << " " << place << " " << bad;
            }
        }
    }
    EXPECT_FALSE(largestLogit({}));
}

TEST(Logits, ExponentialsSumAsInDoublePrecision) {
    for (const std::size_t size : kSizes) {
        for (const float spread : {0.0F, 0.3F, 4.0F, 60.0F}) {
            std::vector<float> logits = someLogits(size, spread);
            if (size > 2) logits[size / 2] = -kInfinity;
            const float largest = *std::ranges::max_element(logits);
            double expected = 0.0;
            for (const float logit : logits) expected += std::exp(static_cast<double>(logit - largest));
            EXPECT_NEAR(sumOfExponentials(logits, largest) / expected, 1.0, 5e-7) << size << " " << spread;
        }
    }
}

TEST(Logits, CountsAreThoseOfALoop) {
    for (const std::size_t size : kSizes) {
        std::vector<float> logits = someLogits(size, 4.0F);
        for (float& logit : logits) logit = std::round(logit);  // many equals
        if (size > 2) logits[size - 2] = -kInfinity;
        for (const float bound : {-kInfinity, -1000.0F, -3.0F, 2.0F, 1000.0F}) {
            const auto above = std::ranges::count_if(logits, [&](float logit) { return logit > bound; });
            const auto from = std::ranges::count_if(logits, [&](float logit) { return logit >= bound; });
            EXPECT_EQ(countAbove(logits, bound), static_cast<std::size_t>(above)) << size << " " << bound;
            EXPECT_EQ(countFrom(logits, bound), static_cast<std::size_t>(from)) << size << " " << bound;
        }
    }
}

}  // namespace
}  // namespace mixoscope::kernels::cpu
