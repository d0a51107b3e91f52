// f16 and bf16: every value converts back to its own bits, and rounding is to nearest even.
#include "kernels/float_formats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace mixoscope::kernels {
namespace {

TEST(FloatFormats, EveryValueConvertsBackToItsBits) {
    for (std::uint32_t i = 0; i <= 0xFFFFU; ++i) {
        const auto bits = static_cast<std::uint16_t>(i);
        const float half = floatFromF16(bits);
        const float brain = floatFromBF16(bits);
        if (std::isnan(half)) {
            EXPECT_TRUE(std::isnan(floatFromF16(f16FromFloat(half)))) << i;
        } else {
            EXPECT_EQ(f16FromFloat(half), bits) << i;
        }
        if (std::isnan(brain)) {
            EXPECT_TRUE(std::isnan(floatFromBF16(bf16FromFloat(brain)))) << i;
        } else {
            EXPECT_EQ(bf16FromFloat(brain), bits) << i;
        }
    }
}

TEST(FloatFormats, KnownValues) {
    EXPECT_EQ(floatFromF16(0x3C00), 1.0F);
    EXPECT_EQ(floatFromF16(0xC000), -2.0F);
    EXPECT_EQ(floatFromF16(0x0001), 0x1p-24F);
    EXPECT_EQ(floatFromF16(0x03FF), 0x1.FF8p-15F);
    EXPECT_EQ(floatFromF16(0x7BFF), 65504.0F);
    EXPECT_EQ(floatFromF16(0x7C00), std::numeric_limits<float>::infinity());
    EXPECT_EQ(floatFromBF16(0x3FC0), 1.5F);
    EXPECT_EQ(floatFromBF16(0xFF80), -std::numeric_limits<float>::infinity());
}

TEST(FloatFormats, EveryNanStaysNan) {
    for (const std::uint32_t bits : {0x7F800001U, 0xFF800001U, 0x7FC00000U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
        const auto nan = std::bit_cast<float>(bits);
        EXPECT_TRUE(std::isnan(floatFromBF16(bf16FromFloat(nan)))) << std::hex << bits;
        EXPECT_TRUE(std::isnan(floatFromF16(f16FromFloat(nan)))) << std::hex << bits;
    }
}

TEST(FloatFormats, RoundsToNearestAndTiesToEven) {
    const unsigned seed = 7;
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (std::uint32_t i = 0; i < 0x7C00U; ++i) {  // positive finite f16 and the value above each
        const float low = floatFromF16(static_cast<std::uint16_t>(i));
        const float high = i + 1 == 0x7C00U ? 65536.0F : floatFromF16(static_cast<std::uint16_t>(i + 1));
        const float middle = low + (high - low) / 2;
        EXPECT_EQ(f16FromFloat(middle), i % 2 == 0 ? i : i + 1) << i;
        EXPECT_EQ(f16FromFloat(std::nextafter(middle, 0.0F)), i) << i;
        EXPECT_EQ(f16FromFloat(std::nextafter(middle, 1e9F)), i + 1) << i;
        EXPECT_EQ(f16FromFloat(-middle), 0x8000U | (i % 2 == 0 ? i : i + 1)) << i;
    }
    for (int i = 0; i < 10000; ++i) {
        const auto bits = static_cast<std::uint16_t>(random() % 0x7F80U);
        const float low = floatFromBF16(bits);
        const float high = floatFromBF16(static_cast<std::uint16_t>(bits + 1));
        if (!std::isfinite(high)) continue;
        const float middle = low + (high - low) / 2;
        EXPECT_EQ(bf16FromFloat(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
        EXPECT_EQ(bf16FromFloat(std::nextafter(middle, 0.0F)), bits) << bits;
    }
}

}  // namespace
}  // namespace mixoscope::kernels
