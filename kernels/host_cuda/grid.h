// Runs kernels on the host, one fiber a CUDA thread, so that their logic can be tested where there is no GPU. All
// fibers share the calling thread; a fiber gives way only where it has to wait.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mixoscope::kernels::host_cuda {

constexpr unsigned kWarpLanes = 32;

struct Index {
    unsigned x = 0;
    unsigned y = 0;
    unsigned z = 0;
};

/// What a kernel knows of the thread that it runs in.
struct ThreadPlace {
    Index thread_index;
    Index block_index;
    Index block_size{1, 1, 1};
    Index grid_size{1, 1, 1};
    std::byte* shared = nullptr;  // of its block
};
const ThreadPlace& currentThread();

/// The order in which waiting threads get their turn. A kernel that lacks a barrier computes other results in another.
enum class ThreadOrder : std::uint8_t { kAscending, kDescending };

struct GridShape {
    unsigned blocks = 1;
    unsigned threads = kWarpLanes;  // of a block, a multiple of kWarpLanes
    std::size_t shared_bytes = 0;   // of a block; filled with NaN before it begins
    bool cooperative = false;       // blocks run side by side and may wait for one another; else one after the other
    ThreadOrder order = ThreadOrder::kAscending;
};

/// Runs `kernel(arguments)` in every thread of the grid. Ends the program with a message on stderr when all threads
/// wait for one another: for a barrier or an exchange that not all of its threads reach.
void runGrid(const GridShape& shape, void (*kernel)(const void*), const void* arguments);

// For the thread that runs:
/// Returns when all threads of the block are here.
void waitForBlock();
/// Gives `value` to the warp, returns that of lane `source`, when all lanes are here.
std::uint32_t exchangeInWarp(std::uint32_t value, int source);
/// Lets other blocks run: to be called in a loop that waits for memory to change.
void giveWay();
/// Says that something happened that others may wait for.
void noteProgress();

}  // namespace mixoscope::kernels::host_cuda
