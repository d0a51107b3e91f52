// The pool: every chunk once, whatever the threads do, and nothing left behind.
#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace mixoscope::kernels {
namespace {

TEST(ThreadPool, RunsEveryChunkOnce) {
    for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        EXPECT_EQ(pool.threads(), threads);
        for (const std::int64_t chunks : {0, 1, 2, 3, 7, 1000}) {
            std::vector<std::atomic<int>> counts(static_cast<std::size_t>(chunks));
            std::atomic<bool> thread_in_range{true};
            pool.run(chunks, [&](std::int64_t chunk, int thread) {
                counts[static_cast<std::size_t>(chunk)].fetch_add(1);
                if (thread < 0 || thread >= threads) thread_in_range = false;
            });
            EXPECT_TRUE(std::all_of(counts.begin(), counts.end(), [](const auto& count) { return count == 1; }))
                << threads << " threads, " << chunks << " chunks";
            EXPECT_TRUE(thread_in_range);
        }
    }
}

TEST(ThreadPool, EverythingIsDoneWhenRunReturns) {
    ThreadPool pool(4);
    for (std::int64_t round = 1; round <= 20000; ++round) {
        std::int64_t sums[5] = {};  // not atomic: run() itself must order these writes before its return
        pool.run(5, [&](std::int64_t chunk, int) { sums[chunk] = chunk * round; });
        ASSERT_EQ(sums[0] + sums[1] + sums[2] + sums[3] + sums[4], 10 * round);
    }
}

TEST(ThreadPool, AThreadIndexIsUsedByOneThreadAtATime) {
    ThreadPool pool(3);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::int64_t> counts(3, 0);  // not atomic: a race shows in the sum, and under the thread sanitizer
        pool.run(100, [&](std::int64_t, int thread) { ++counts[static_cast<std::size_t>(thread)]; });
        ASSERT_EQ(counts[0] + counts[1] + counts[2], 100);
    }
    for (int round = 0; round < 50; ++round) {
        std::vector<int> threads(3, -1);
        std::atomic<int> begun{0};
        // Every chunk waits for the others, so each is another thread's.
        pool.run(3, [&](std::int64_t chunk, int thread) {
            threads[static_cast<std::size_t>(chunk)] = thread;
            begun.fetch_add(1);
            while (begun.load() < 3) std::this_thread::yield();
        });
        std::sort(threads.begin(), threads.end());
        ASSERT_EQ(threads, (std::vector<int>{0, 1, 2}));
    }
}

TEST(ThreadPool, AChunkThatWaitsForAnotherThreadDoesNotBlockTheRest) {
    ThreadPool pool(2);
    std::atomic<int> done{0};
    pool.run(10, [&](std::int64_t chunk, int) {
        if (chunk == 0) {
            while (done.load() < 9) std::this_thread::yield();  // as a thread that has lost its core
        } else {
            done.fetch_add(1);
        }
    });
    EXPECT_EQ(done.load(), 9);
}

TEST(ThreadPool, SmallWorkStaysOnTheCallingThread) {
    ThreadPool pool(4);
    const auto caller = std::this_thread::get_id();
    std::int64_t chunks = 0;
    pool.runIf(false, 100, [&](std::int64_t chunk, int thread) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));  // long enough for another thread to take the next
        EXPECT_EQ(std::this_thread::get_id(), caller);
        EXPECT_EQ(thread, 0);
        EXPECT_EQ(chunk, chunks++);
    });
    EXPECT_EQ(chunks, 100);
}

TEST(ThreadPool, ACallerThatFellAsleepIsWoken) {
    ThreadPool pool(2);
    const auto caller = std::this_thread::get_id();
    for (int round = 0; round < 5; ++round) {
        std::atomic<bool> other_began = false;
        std::atomic<bool> other_ended = false;
        pool.run(2, [&](std::int64_t, int) {
            if (std::this_thread::get_id() == caller) {
                other_began.wait(false);
                return;
            }
            other_began = true;
            other_began.notify_one();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));  // far longer than a caller looks on
            other_ended = true;
        });
        ASSERT_TRUE(other_ended);
    }
}

TEST(ThreadPool, ComesAndGoesWithoutWork) {
    for (int i = 0; i < 50; ++i) ThreadPool pool(4);
    EXPECT_EQ(ThreadPool(0).threads(), static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
}

}  // namespace
}  // namespace mixoscope::kernels
