#include "kernels/host_cuda/grid.h"

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/host_cuda/stack_switch.h"

namespace mixoscope::kernels::host_cuda {
namespace {

struct Warp {
    std::uint32_t values[2][kWarpLanes] = {};  // of this exchange and of the one before, which slow lanes still read
    unsigned arrived = 0;
    unsigned generation = 0;
};

struct Fiber;

struct Block {
    Fiber* live = nullptr;  // one of its fibers that have not ended
    Block* next = nullptr;  // of those that have such, around
    Block* previous = nullptr;
    std::vector<Warp> warps;
    std::vector<std::byte> shared;
    unsigned arrived = 0;
    unsigned generation = 0;
};

struct Fiber {
    ThreadPlace place;
    Block* block = nullptr;
    Warp* warp = nullptr;
    Stack stack;
    Fiber* next = nullptr;  // of those that live, around
    Fiber* previous = nullptr;
    Fiber* next_in_warp = nullptr;  // around, also those that ended
    bool ended = false;
};

constexpr std::size_t kSharedAlignment = 128;

/// All fibers that can run side by side, kept between launches.
class Grid {
public:
    void run(const GridShape& shape, void (*kernel)(const void*), const void* arguments);
    Fiber& current() { return *m_current; }
    void switchTo(Fiber& fiber) {
        if (&fiber == m_current) return;
        Fiber& from = *m_current;
        m_current = &fiber;
        switchStack(from.stack, fiber.stack);
    }
    void noteProgress() { m_idle_turns = 0; }
    void noteWaiting() {
        if (++m_idle_turns > kMostIdleTurns * m_live) fail("all threads of a grid wait for one another");
    }
    [[noreturn]] static void fail(const char* what) {
        std::fprintf(stderr, "host_cuda: %s\n", what);
        std::abort();
    }

private:
    static constexpr std::uint64_t kMostIdleTurns = 64;

    static void begin();
    void runTogether(const GridShape& shape, unsigned first_block, unsigned blocks);
    void prepareBlock(Block& block, const GridShape& shape);
    void end();

    std::vector<std::unique_ptr<Fiber>> m_fibers;
    std::vector<std::unique_ptr<Block>> m_blocks;
    Stack m_launcher;
    Fiber* m_current = nullptr;
    std::uint64_t m_live = 0;
    std::uint64_t m_idle_turns = 0;
    void (*m_kernel)(const void*) = nullptr;
    const void* m_arguments = nullptr;
};

thread_local Grid grid;

void Grid::begin() {
    afterFirstSwitch(grid.current().stack);
    grid.m_kernel(grid.m_arguments);
    grid.end();
}

/// The fiber that runs has come to its end.
void Grid::end() {
    Fiber& fiber = *m_current;
    Block& block = *fiber.block;
    fiber.ended = true;
    noteProgress();
    if (--m_live == 0) leaveForGood(fiber.stack, m_launcher);
    if (fiber.next == &fiber) {
        block.previous->next = block.next;
        block.next->previous = block.previous;
        m_current = block.next->live;
    } else {
        fiber.previous->next = fiber.next;
        fiber.next->previous = fiber.previous;
        block.live = fiber.next;
        m_current = fiber.next;
    }
    leaveForGood(fiber.stack, m_current->stack);
}

void Grid::prepareBlock(Block& block, const GridShape& shape) {
    block.warps.assign(shape.threads / kWarpLanes, Warp());
    block.shared.assign(shape.shared_bytes + kSharedAlignment, std::byte{0xFF});  // f32: NaN
    block.arrived = 0;
    block.generation = 0;
}

void Grid::runTogether(const GridShape& shape, unsigned first_block, unsigned blocks) {
    const std::size_t count = std::size_t{blocks} * shape.threads;
    while (m_fibers.size() < count) m_fibers.push_back(std::make_unique<Fiber>());
    while (m_blocks.size() < blocks) m_blocks.push_back(std::make_unique<Block>());
    const bool ascending = shape.order == ThreadOrder::kAscending;
    const auto around = [ascending](std::size_t index, std::size_t count, std::size_t first) {
        return first + (index - first + (ascending ? 1 : count - 1)) % count;
    };
    for (unsigned b = 0; b < blocks; ++b) {
        Block& block = *m_blocks[b];
        prepareBlock(block, shape);
        block.live = m_fibers[b * shape.threads + (ascending ? 0 : shape.threads - 1)].get();
        block.next = m_blocks[around(b, blocks, 0)].get();
        block.next->previous = &block;
    }
    for (std::size_t index = 0; index < count; ++index) {
        Fiber& fiber = *m_fibers[index];
        const auto block = static_cast<unsigned>(index / shape.threads);
        const auto thread = static_cast<unsigned>(index % shape.threads);
        fiber.block = m_blocks[block].get();
        fiber.warp = &fiber.block->warps[thread / kWarpLanes];
        void* shared = fiber.block->shared.data();
        std::size_t room = fiber.block->shared.size();
        std::align(kSharedAlignment, shape.shared_bytes, shared, room);
        fiber.place = {.thread_index = {thread, 0, 0},
                       .block_index = {first_block + block, 0, 0},
                       .block_size = {shape.threads, 1, 1},
                       .grid_size = {shape.blocks, 1, 1},
                       .shared = static_cast<std::byte*>(shared)};
        fiber.next = m_fibers[around(index, shape.threads, index - thread)].get();
        fiber.next->previous = &fiber;
        const unsigned lane = thread % kWarpLanes;
        fiber.next_in_warp = m_fibers[around(index, kWarpLanes, index - lane)].get();
        fiber.ended = false;
        prepareStack(fiber.stack, begin);
    }
    m_live = count;
    m_idle_turns = 0;
    m_current = m_blocks[ascending ? 0 : blocks - 1]->live;
    switchStack(m_launcher, m_current->stack);
}

void Grid::run(const GridShape& shape, void (*kernel)(const void*), const void* arguments) {
    assert(shape.blocks > 0 && shape.threads > 0 && shape.threads % kWarpLanes == 0);
    m_kernel = kernel;
    m_arguments = arguments;
    const unsigned together = shape.cooperative ? shape.blocks : 1;
    for (unsigned first = 0; first < shape.blocks; first += together) runTogether(shape, first, together);
}

}  // namespace

void runGrid(const GridShape& shape, void (*kernel)(const void*), const void* arguments) {
    grid.run(shape, kernel, arguments);
}

const ThreadPlace& currentThread() {
    return grid.current().place;
}

void waitForBlock() {
    Fiber& fiber = grid.current();
    Block& block = *fiber.block;
    const unsigned generation = block.generation;
    if (++block.arrived == fiber.place.block_size.x) {
        block.arrived = 0;
        ++block.generation;
        grid.noteProgress();
        return;
    }
    // Only to its own block's threads: the further a block runs ahead of others, the more a missing barrier over the
    // grid shows.
    while (block.generation == generation) {
        grid.noteWaiting();
        grid.switchTo(*fiber.next);
    }
}

std::uint32_t exchangeInWarp(std::uint32_t value, int source) {
    Fiber& fiber = grid.current();
    Warp& warp = *fiber.warp;
    const unsigned generation = warp.generation;
    std::uint32_t(&values)[kWarpLanes] = warp.values[generation % 2];
    values[fiber.place.thread_index.x % kWarpLanes] = value;
    if (++warp.arrived == kWarpLanes) {
        warp.arrived = 0;
        ++warp.generation;
        grid.noteProgress();
    } else {
        while (warp.generation == generation) {
            grid.noteWaiting();
            if (fiber.next_in_warp->ended) Grid::fail("a thread ended while its warp waits for it");
            grid.switchTo(*fiber.next_in_warp);
        }
    }
    return values[source];
}

void giveWay() {
    // To another block; where there is none, to another thread.
    grid.noteWaiting();
    const Fiber& fiber = grid.current();
    Block& next = *fiber.block->next;
    grid.switchTo(&next == fiber.block ? *fiber.next : *next.live);
}

void noteProgress() {
    grid.noteProgress();
}

}  // namespace mixoscope::kernels::host_cuda
