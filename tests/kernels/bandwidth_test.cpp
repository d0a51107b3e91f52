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
    EXPECT_EQ(bandwidth.mean(), 0.0);
    EXPECT_EQ(bandwidth.best(), 0.0);
    bandwidth.measure(3);
    EXPECT_GT(bandwidth.mean(), 0.0);
    EXPECT_GE(bandwidth.best(), bandwidth.mean());
    EXPECT_TRUE(std::isfinite(bandwidth.best()));
}

TEST(ReadBandwidth, SmallestBufferIsOneChunk) {
    EXPECT_GT(ReadBandwidth(1, 0).bytes(), 0);
}

}  // namespace
}  // namespace mixoscope::kernels
