// How fast this machine reads memory: the bound that decoding is compared with.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/thread_pool.h"

namespace mixoscope::kernels {

class ReadBandwidth {
public:
    /// Allocates `bytes`, which should be well above the last cache's size. 0 threads: one per usable core.
    ReadBandwidth(int threads, std::int64_t bytes);

    /// Reads the buffer once with all threads; GB/s (10⁹ bytes) of this pass.
    double measureOnce();
    /// The best of some passes: whatever else runs on the machine only slows a pass down.
    double measureBest(int passes);

    std::int64_t bytes() const { return static_cast<std::int64_t>(m_words.size() * sizeof(std::uint64_t)); }

private:
    ThreadPool m_pool;
    std::vector<std::uint64_t> m_words;
    std::vector<std::uint64_t> m_sums;  // of each chunk, kept so that no read can be left out
};

}  // namespace mixoscope::kernels
