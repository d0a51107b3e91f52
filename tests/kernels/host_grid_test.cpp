// The host's emulation of a CUDA grid: barriers, exchanges within warps, shared memory, and what it says of kernels
// that wait for one another for ever.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/cuda/thread_block.cuh"

namespace mixoscope::kernels::host_cuda {
namespace {

struct Arguments {
    std::vector<unsigned>* seen;
    std::uint32_t arrived = 0;
};

template <typename T>
T& of(const void* arguments) {
    return *const_cast<T*>(static_cast<const T*>(arguments));
}

constexpr ThreadOrder kOrders[] = {ThreadOrder::kAscending, ThreadOrder::kDescending};

TEST(HostGrid, RunsEveryThreadOfEveryBlockOnce) {
    for (const ThreadOrder order : kOrders) {
        for (const bool cooperative : {false, true}) {
            std::vector<unsigned> seen(3 * 64, 0);
            Arguments arguments{&seen};
            runGrid(
                {.blocks = 3, .threads = 64, .cooperative = cooperative, .order = order},
                [](const void* a) {
                    EXPECT_EQ(gridDim.x, 3U);
                    ++(*of<Arguments>(a).seen)[blockIdx.x * blockDim.x + threadIdx.x];
                },
                &arguments);
            EXPECT_EQ(seen, std::vector<unsigned>(3 * 64, 1));
        }
    }
}

TEST(HostGrid, BlockBarrierShowsWhatOthersWrote) {
    for (const ThreadOrder order : kOrders) {
        std::vector<unsigned> seen(2 * 96, 0);
        Arguments arguments{&seen};
        runGrid(
            {.blocks = 2, .threads = 96, .shared_bytes = 96 * sizeof(unsigned), .order = order},
            [](const void* a) {
                auto* shared = reinterpret_cast<unsigned*>(cuda::sharedMemory());
                for (unsigned round = 0; round < 3; ++round) {
                    shared[threadIdx.x] = 100 * round + threadIdx.x;
                    __syncthreads();
                    (*of<Arguments>(a).seen)[blockIdx.x * 96 + threadIdx.x] += shared[95 - threadIdx.x];
                    __syncthreads();
                }
            },
            &arguments);
        for (unsigned i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], 300 + 3 * (95 - i % 96));
    }
}

TEST(HostGrid, SharedMemoryBeginsAsNan) {
    bool all_nan = true;
    runGrid(
        {.threads = 32, .shared_bytes = 64},
        [](const void* a) {
            const auto* shared = reinterpret_cast<const float*>(cuda::sharedMemory());
            if (threadIdx.x < 16 && !std::isnan(shared[threadIdx.x])) of<bool>(a) = false;
        },
        &all_nan);
    EXPECT_TRUE(all_nan);
}

TEST(HostGrid, WarpsSumTheirLanes) {
    for (const ThreadOrder order : kOrders) {
        std::vector<unsigned> seen(64, 0);
        Arguments arguments{&seen};
        runGrid(
            {.threads = 64, .order = order},
            [](const void* a) {
                float value = static_cast<float>(threadIdx.x);
                for (int round = 0; round < 4; ++round) value = cuda::warpSum(value) / 32.0F;
                (*of<Arguments>(a).seen)[threadIdx.x] = static_cast<unsigned>(value * 2.0F);
            },
            &arguments);
        for (unsigned i = 0; i < 64; ++i) EXPECT_EQ(seen[i], i < 32 ? 31U : 95U);
    }
}

TEST(HostGrid, GridBarrierLetsNoBlockGoAhead) {
    for (const ThreadOrder order : kOrders) {
        std::vector<unsigned> seen(4 * 32, 0);
        Arguments arguments{&seen};
        runGrid(
            {.blocks = 4, .threads = 32, .cooperative = true, .order = order},
            [](const void* a) {
                auto& args = of<Arguments>(a);
                const unsigned own = blockIdx.x * 32 + threadIdx.x;
                for (std::uint32_t round = 0; round < 5; ++round) {
                    for (const unsigned count : *args.seen) EXPECT_EQ(count, round);
                    cuda::waitForGrid(&args.arrived, 2 * round);
                    ++(*args.seen)[own];
                    cuda::waitForGrid(&args.arrived, 2 * round + 1);
                }
            },
            &arguments);
        EXPECT_EQ(seen, std::vector<unsigned>(4 * 32, 5));
    }
}

TEST(HostGridDeathTest, BarrierThatAThreadMisses) {
    const auto kernel = [](const void*) {
        if (threadIdx.x != 7) __syncthreads();
    };
    EXPECT_DEATH(runGrid({.threads = 32}, kernel, nullptr), "wait for one another");
}

TEST(HostGridDeathTest, ExchangeThatALaneMisses) {
    const auto kernel = [](const void*) {
        if (threadIdx.x != 7) cuda::warpSum(1.0F);
    };
    EXPECT_DEATH(runGrid({.threads = 32}, kernel, nullptr), "ended while its warp waits");
}

}  // namespace
}  // namespace mixoscope::kernels::host_cuda
