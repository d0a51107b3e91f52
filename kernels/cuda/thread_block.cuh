// What kernels need of a block besides the language: shared memory, sums in a fixed order, memory accesses with a
// purpose.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/language.h"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

constexpr int kWarpLanes = 32;

__device__ inline int lane() {
    return static_cast<int>(threadIdx.x) % kWarpLanes;
}
__device__ inline int warpOfBlock() {
    return static_cast<int>(threadIdx.x) / kWarpLanes;
}
__device__ inline int warpsOfBlock() {
    return static_cast<int>(blockDim.x) / kWarpLanes;
}
/// Tasks of warps are dealt out like cards, block by block, so that few of them lie on as many multiprocessors.
__device__ inline int firstWarpTask() {
    return warpOfBlock() * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x);
}
__device__ inline int warpTasksAtOnce() {
    return warpsOfBlock() * static_cast<int>(gridDim.x);
}

/// The block's shared memory, aligned to 128 bytes.
__device__ inline std::byte* sharedMemory() {
#ifdef __CUDACC__
    extern __shared__ __align__(128) unsigned char mixo_shared_memory[];
    return reinterpret_cast<std::byte*>(mixo_shared_memory);
#else
    return host_cuda::currentThread().shared;
#endif
}

/// Hands out the block's shared memory, each array aligned to 16 bytes. Host code sizes it by the same calls on null.
class SharedArrays {
public:
    __host__ __device__ explicit SharedArrays(std::byte* memory) : m_memory(memory) {}
    template <typename T>
    __host__ __device__ T* take(std::int64_t count) {
        T* array = m_memory == nullptr ? nullptr : reinterpret_cast<T*>(m_memory + m_bytes);
        m_bytes += (count * static_cast<std::int64_t>(sizeof(T)) + 15) / 16 * 16;
        return array;
    }
    __host__ __device__ std::int64_t bytes() const { return m_bytes; }

private:
    std::byte* m_memory;
    std::int64_t m_bytes = 0;
};

/// Sum over the lanes of a warp, the same bits in each.
__device__ inline float warpSum(float value) {
    for (int distance = kWarpLanes / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(0xFFFFFFFFU, value, distance);
    return value;
}

__device__ inline float larger(float a, float b) {
    return b > a ? b : a;  // passes over a NaN in b
}

__device__ inline float warpMaximum(float value) {
    for (int distance = kWarpLanes / 2; distance > 0; distance /= 2)
        value = larger(value, __shfl_xor_sync(0xFFFFFFFFU, value, distance));
    return value;
}

/// 16 bytes of memory that no kernel writes and that is read once: past the first-level cache.
__device__ inline uint4 loadOnce(const void* address) {
#ifdef __CUDACC__
    uint4 piece;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(piece.x), "=r"(piece.y), "=r"(piece.z), "=r"(piece.w)
        : "l"(address));
    return piece;
#else
    return *static_cast<const uint4*>(address);
#endif
}

/// Asks for a cache line on its way to the second-level cache.
__device__ inline void prefetchLine([[maybe_unused]] const void* address) {
#ifdef __CUDACC__
    asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
#endif
}

/// Waits until the counter has reached `target`; what others wrote before they counted is seen afterwards.
__device__ inline void waitForCount(const std::uint32_t* counter, std::uint32_t target) {
#ifdef __CUDACC__
    std::uint32_t value = 0;
    do {
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(counter) : "memory");
    } while (value < target);
#else
    while (*static_cast<const volatile std::uint32_t*>(counter) < target) host_cuda::giveWay();
#endif
}

/// Barrier over the grid of a cooperative launch. `arrived` counts from zero within a launch; `barriers` is the number
/// of barriers that were passed before.
__device__ inline void waitForGrid(std::uint32_t* arrived, std::uint32_t barriers) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1U);
        waitForCount(arrived, (barriers + 1) * gridDim.x);
        __threadfence();
    }
    __syncthreads();
}

__device__ inline std::uint64_t nanoseconds() {
#ifdef __CUDACC__
    std::uint64_t now = 0;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
#else
    return 0;
#endif
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
