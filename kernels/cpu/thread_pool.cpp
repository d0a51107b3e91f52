#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace mixoscope::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// What the caller does alone between two shared operations of a decode step (a short context's attention, the router)
// takes some tens of microseconds: less than a sleep and a wake-up cost.
constexpr std::chrono::microseconds kWorkerSpin{60};
// About one chunk: a chunk that takes longer belongs to a thread that has lost its core.
constexpr std::chrono::microseconds kCallerSpin{20};

void pauseCore() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Waits until `ready()`, but no longer than `limit`.
template <typename Ready>
bool spinUntil(const Ready& ready, std::chrono::microseconds limit) {
    const Clock::time_point end = Clock::now() + limit;
    do {
        for (int i = 0; i < 16; ++i) {
            if (ready()) return true;
            pauseCore();
        }
    } while (Clock::now() < end);
    return false;
}

int usableCores() {
    return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace

ThreadPool::ThreadPool(int threads) : m_ranges(static_cast<std::size_t>(threads > 0 ? threads : usableCores())) {
    m_workers.reserve(m_ranges.size() - 1);
    for (int thread = 1; thread < static_cast<int>(m_ranges.size()); ++thread) {
        m_workers.emplace_back([this, thread] { workerLoop(thread); });
    }
}

ThreadPool::~ThreadPool() {
    m_stopping.store(true);
    m_calls.fetch_add(1);
    m_calls.notify_all();
}

void ThreadPool::share(std::int64_t chunks, const void* callable, Call call) {
    assert(m_unfinished.load() == 0 && chunks <= std::numeric_limits<std::int32_t>::max());
    m_callable = callable;
    m_call = call;
    m_unfinished.store(static_cast<std::int32_t>(chunks), std::memory_order_relaxed);
    const auto ranges = static_cast<std::int64_t>(m_ranges.size());
    for (std::int64_t i = 0; i < ranges; ++i) {
        Range& range = m_ranges[static_cast<std::size_t>(i)];
        const std::int64_t begin = chunks * i / ranges;
        range.end = chunks * (i + 1) / ranges;
        range.unclaimed.store(range.end - begin);  // publishes; ordered before the look at m_parked
    }
    if (m_parked.load() > 0) {
        m_calls.fetch_add(1);
        m_calls.notify_all();
    }
    runChunks(0);
    waitForChunksUnderWay();
}

bool ThreadPool::runChunks(int thread) {
    bool any = false;
    for (std::size_t i = 0; i < m_ranges.size(); ++i) {  // its own range first
        Range& range = m_ranges[(static_cast<std::size_t>(thread) + i) % m_ranges.size()];
        while (runOneChunk(range, thread)) any = true;
    }
    return any;
}

bool ThreadPool::runOneChunk(Range& range, int thread) {
    std::int64_t unclaimed = range.unclaimed.load(std::memory_order_relaxed);
    do {
        if (unclaimed <= 0) return false;
    } while (!range.unclaimed.compare_exchange_weak(unclaimed, unclaimed - 1, std::memory_order_acquire,
                                                    std::memory_order_relaxed));
    m_call(m_callable, range.end - unclaimed, thread);
    const bool last = m_unfinished.fetch_sub(1) == 1;
    if (last && m_caller_sleeps.load()) m_unfinished.notify_one();
    return true;
}

bool ThreadPool::anythingUnclaimed() const {
    return std::any_of(m_ranges.begin(), m_ranges.end(), [](const Range& range) { return range.unclaimed.load() > 0; });
}

void ThreadPool::waitForChunksUnderWay() {
    const auto finished = [this] { return m_unfinished.load(std::memory_order_acquire) == 0; };
    if (finished() || spinUntil(finished, kCallerSpin)) return;
    m_caller_sleeps.store(true);
    for (std::int32_t unfinished = m_unfinished.load(); unfinished != 0; unfinished = m_unfinished.load()) {
        m_unfinished.wait(unfinished);
    }
    m_caller_sleeps.store(false);
}

void ThreadPool::workerLoop(int thread) {
    const auto called = [this] { return anythingUnclaimed() || m_stopping.load(); };
    while (!m_stopping.load()) {
        if (runChunks(thread) || spinUntil(called, kWorkerSpin)) continue;
        const std::int32_t calls = m_calls.load();
        m_parked.fetch_add(1);
        // A job published before m_parked rose has woken nobody: look again before sleeping.
        if (!called()) m_calls.wait(calls);
        m_parked.fetch_sub(1);
    }
}

}  // namespace mixoscope::kernels
