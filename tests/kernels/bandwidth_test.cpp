// The bandwidth measurement gives figures that can be compared with.
#include "kernels/cpu/bandwidth.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mixoscope::kernels {
namespace {

TEST(ReadBandwidth, MeasuresWhatItAllocates) {
    ReadBandwidth bandwidth(2, 1000000);
    EXPECT_LE(bandwidth.bytes(), 1000000);
    EXPECT_GT(bandwidth.bytes(), 500000);
    const double once = bandwidth.measureOnce();
    EXPECT_TRUE(std::isfinite(once) && once > 0.0);
    EXPECT_GT(bandwidth.measureBest(3), 0.0);
}

TEST(ReadBandwidth, SmallestBufferIsOneChunk) {
    EXPECT_GT(ReadBandwidth(1, 0).bytes(), 0);
}

}  // namespace
}  // namespace mixoscope::kernels
