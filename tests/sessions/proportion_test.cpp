// Intervals and the paired test against published and hand-computed values.
#include "sessions/proportion.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mixoscope {
namespace {

TEST(WilsonInterval, EqualsPublishedValues) {
    // Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    const Proportion p = wilsonInterval(81, 263);
    EXPECT_NEAR(p.low, 0.2553, 5e-5);
    EXPECT_NEAR(p.high, 0.3662, 5e-5);
    const Proportion q = wilsonInterval(15, 148);
    EXPECT_NEAR(q.low, 0.0624, 5e-5);
    EXPECT_NEAR(q.high, 0.1605, 5e-5);
    const Proportion none = wilsonInterval(0, 20);
    EXPECT_EQ(none.low, 0.0);
    EXPECT_NEAR(none.high, 0.1611, 5e-5);
    const Proportion all = wilsonInterval(29, 29);
    EXPECT_NEAR(all.low, 0.8830, 5e-5);
    EXPECT_EQ(all.high, 1.0);
}

TEST(WilsonInterval, HoldsTheShareAndNarrows) {
    double width = 1.1;
    for (std::int64_t n = 2; n <= 2048; n *= 2) {
        const Proportion p = wilsonInterval(n / 2, n);
        EXPECT_LE(p.low, p.share);
        EXPECT_GE(p.high, p.share);
        EXPECT_LT(p.high - p.low, width);
        width = p.high - p.low;
    }
    EXPECT_TRUE(std::isnan(wilsonInterval(0, 0).share));
}

TEST(McNemarTest, IsTheBinomialTail) {
    EXPECT_EQ(mcNemarTest(0, 0), 1.0);
    EXPECT_EQ(mcNemarTest(5, 5), 1.0);
    EXPECT_NEAR(mcNemarTest(0, 5), 2.0 / 32.0, 1e-12);
    EXPECT_NEAR(mcNemarTest(1, 7), 2.0 * 9.0 / 256.0, 1e-12);
    EXPECT_EQ(mcNemarTest(1, 7), mcNemarTest(7, 1));
    EXPECT_LT(mcNemarTest(1000, 3000), 1e-100) << "no overflow for large counts";
    EXPECT_GT(mcNemarTest(1000, 3000), 0.0);
}

}  // namespace
}  // namespace mixoscope
