#include "kernels/cpu/bandwidth.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace mixoscope::kernels {
namespace {

constexpr std::size_t kChunkWords = 256 * 1024 / sizeof(std::uint64_t);
constexpr std::size_t kUnroll = 16;
static_assert(kChunkWords % kUnroll == 0);

std::uint64_t sumOf(const std::uint64_t* words) {
    std::uint64_t sums[kUnroll] = {};
    for (std::size_t i = 0; i < kChunkWords; i += kUnroll) {
        for (std::size_t lane = 0; lane < kUnroll; ++lane) sums[lane] += words[i + lane];
    }
    std::uint64_t total = 0;
    for (const std::uint64_t sum : sums) total += sum;
    return total;
}

}  // namespace

ReadBandwidth::ReadBandwidth(int threads, std::int64_t bytes) : m_pool(threads) {
    const std::size_t chunks = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::max<std::int64_t>(0, bytes)) / (kChunkWords * sizeof(std::uint64_t)));
    m_words.assign(chunks * kChunkWords, 1);
    m_sums.assign(chunks, 0);
}

void ReadBandwidth::measure(int passes) {
    for (int pass = 0; pass < passes; ++pass) {
        const auto begin = std::chrono::steady_clock::now();
        m_pool.run(static_cast<std::int64_t>(m_sums.size()), [&](std::int64_t chunk, int) {
            const auto at = static_cast<std::size_t>(chunk);
            m_sums[at] += sumOf(m_words.data() + at * kChunkWords);
        });
        m_seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
}

double ReadBandwidth::mean() const {
    const double seconds = std::accumulate(m_seconds.begin(), m_seconds.end(), 0.0);
    return m_seconds.empty() ? 0.0 : gigabytes() * static_cast<double>(m_seconds.size()) / seconds;
}

double ReadBandwidth::best() const {
    return m_seconds.empty() ? 0.0 : gigabytes() / *std::ranges::min_element(m_seconds);
}

}  // namespace mixoscope::kernels
