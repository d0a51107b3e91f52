// A fork-join pool for a desktop whose cores are shared with other programs.
//
// Work is cut into chunks. Each thread has a range of neighbouring chunks to begin with, so that it reads memory in
// order, and then takes what is left of the others' ranges. The caller takes part, so a worker that does not get a core
// costs nothing, and at the end only chunks that somebody has begun are waited for. Nobody spins for more than some
// microseconds: spinning takes the core from the very thread that is waited for.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace mixoscope::kernels {

class ThreadPool {
public:
    /// `threads` counts the caller; 0: one per core that this process may use.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return static_cast<int>(m_workers.size()) + 1; }

    /// Calls work(chunk, thread) for every chunk in [0, chunks), thread in [0, threads()). Returns when all are done.
    /// One caller at a time; `work` must neither throw nor call run().
    template <typename Work>
    void run(std::int64_t chunks, const Work& work) {
        if (m_workers.empty() || chunks <= 1) {
            for (std::int64_t chunk = 0; chunk < chunks; ++chunk) work(chunk, 0);
            return;
        }
        share(chunks, &work, [](const void* callable, std::int64_t chunk, int thread) {
            (*static_cast<const Work*>(callable))(chunk, thread);
        });
    }

    /// As run(), on the calling thread alone unless `worth_sharing`: handing over costs microseconds.
    template <typename Work>
    void runIf(bool worth_sharing, std::int64_t chunks, const Work& work) {
        if (worth_sharing) {
            run(chunks, work);
        } else {
            for (std::int64_t chunk = 0; chunk < chunks; ++chunk) work(chunk, 0);
        }
    }

private:
    using Call = void (*)(const void* callable, std::int64_t chunk, int thread);

    /// Neighbouring chunks, the first of which may be taken: `end − unclaimed`.
    struct alignas(64) Range {
        std::int64_t end = 0;
        std::atomic<std::int64_t> unclaimed{0};
    };

    void share(std::int64_t chunks, const void* callable, Call call);
    /// Runs chunks as long as any is unclaimed. False: there was none.
    bool runChunks(int thread);
    bool runOneChunk(Range& range, int thread);
    bool anythingUnclaimed() const;
    void waitForChunksUnderWay();
    void workerLoop(int thread);

    // The job: these and each range's end. Written before a range's `unclaimed` becomes positive and unchanged until
    // m_unfinished is 0; read only by threads that hold a chunk. A thread that is late therefore either finds no chunk
    // or takes one of the current job.
    const void* m_callable = nullptr;
    Call m_call = nullptr;
    std::vector<Range> m_ranges;  // one a thread

    alignas(64) std::atomic<std::int32_t> m_unfinished{0};  // chunks that are not done
    alignas(64) std::atomic<std::int32_t> m_parked{0};      // workers asleep or about to be
    std::atomic<std::int32_t> m_calls{0};                   // changes to wake them
    std::atomic<bool> m_caller_sleeps{false};
    std::atomic<bool> m_stopping{false};
    std::vector<std::jthread> m_workers;
};

}  // namespace mixoscope::kernels
