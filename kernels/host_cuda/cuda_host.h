// CUDA's names for the host: what kernels/cuda uses of them. A kernel compiled with this header runs under runGrid().
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/host_cuda/grid.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline

#define threadIdx (::mixoscope::kernels::host_cuda::currentThread().thread_index)
#define blockIdx (::mixoscope::kernels::host_cuda::currentThread().block_index)
#define blockDim (::mixoscope::kernels::host_cuda::currentThread().block_size)
#define gridDim (::mixoscope::kernels::host_cuda::currentThread().grid_size)

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

inline void __syncthreads() {
    mixoscope::kernels::host_cuda::waitForBlock();
}
inline void __syncwarp() {
    mixoscope::kernels::host_cuda::exchangeInWarp(0, 0);
}
inline float __shfl_xor_sync(unsigned /*mask*/, float value, int distance) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const auto lane = static_cast<int>(threadIdx.x % 32U);
    bits = mixoscope::kernels::host_cuda::exchangeInWarp(bits, lane ^ distance);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline void __threadfence() {}
inline unsigned atomicAdd(unsigned* counter, unsigned value) {
    mixoscope::kernels::host_cuda::noteProgress();
    const unsigned before = *counter;
    *counter += value;
    return before;
}
