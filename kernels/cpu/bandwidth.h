// How fast this machine reads memory: the bound that decoding is compared with.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace mixoscope::kernels {

class ReadBandwidth {
public:
    /// Allocates `bytes`, which should be well above the last cache's size, and finds out whether this processor reads
    /// faster with prefetching by instructions or by itself alone. 0 threads: one per usable core.
    ReadBandwidth(int threads, std::int64_t bytes);

    /// Reads the buffer `passes` times with all threads.
    void measure(int passes);

    /// GB/s (10⁹ bytes) over all passes so far, and of the fastest: whatever else runs on the machine only slows a pass
    /// down. 0 before the first.
    double mean() const;
    double best() const;

    std::int64_t bytes() const { return static_cast<std::int64_t>(m_words.size() * sizeof(std::uint64_t)); }

private:
    /// Reads the buffer once; seconds.
    double read(bool prefetch);
    double gigabytes() const { return static_cast<double>(bytes()) / 1e9; }

    ThreadPool m_pool;
    bool m_prefetch = false;
    std::vector<std::uint64_t> m_words;
    std::vector<std::uint64_t> m_sums;  // of each chunk, kept so that no read can be left out
    std::vector<double> m_seconds;      // of each pass
};

}  // namespace mixoscope::kernels
