// The exponential that all back ends share.
#include "kernels/exponential.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace mixoscope::kernels {
namespace {

TEST(Exponential, IsTheNearestFloat) {
    std::int64_t wrong = 0;
    for (std::int32_t step = -1030000; step < 880000; ++step) {
        const float x = static_cast<float>(step) * 1.0001e-4F;
        if (exponential(x) != static_cast<float>(std::exp(static_cast<double>(x)))) ++wrong;
    }
    for (std::uint32_t bits = 0; bits < 0x3F800000U; bits += 400009) {  // down to the smallest numbers
        for (const float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)})
            if (exponential(x) != static_cast<float>(std::exp(static_cast<double>(x)))) ++wrong;
    }
    EXPECT_EQ(wrong, 0);
}

TEST(Exponential, EndsOfTheRange) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(exponential(0.0F), 1.0F);
    EXPECT_EQ(exponential(-0.0F), 1.0F);
    EXPECT_EQ(exponential(-kInfinity), 0.0F);
    EXPECT_EQ(exponential(kInfinity), kInfinity);
    EXPECT_EQ(exponential(88.0F), static_cast<float>(std::exp(88.0)));
    EXPECT_EQ(exponential(88.9F), kInfinity);
    EXPECT_EQ(exponential(-103.0F), static_cast<float>(std::exp(-103.0)));  // the smallest subnormal number
    EXPECT_EQ(exponential(-104.5F), 0.0F);
    EXPECT_TRUE(std::isnan(exponential(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace mixoscope::kernels
