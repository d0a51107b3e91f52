#include "kernels/cpu/bandwidth.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>

namespace mixoscope::kernels {
namespace {

constexpr std::size_t kChunkWords = 256 * 1024 / sizeof(std::uint64_t);
constexpr std::size_t kUnroll = 16;
static_assert(kChunkWords % kUnroll == 0);

/// How far ahead of the sum lines are asked for, as in the products of weights (kernels/cpu/dot.h).
constexpr std::size_t kPrefetchWords = 16 * 1024 / sizeof(std::uint64_t);
constexpr std::size_t kLineWords = 64 / sizeof(std::uint64_t);
constexpr int kTrials = 2;  // of each way to read

template <bool kPrefetch>
std::uint64_t sumOf(const std::uint64_t* words) {
    std::uint64_t sums[kUnroll] = {};
    for (std::size_t i = 0; i < kChunkWords; i += kUnroll) {
        if constexpr (kPrefetch) {
            for (std::size_t line = 0; line < kUnroll; line += kLineWords) {
                __builtin_prefetch(words + i + kPrefetchWords + line, 0, 2);
            }
        }
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
    double plain = std::numeric_limits<double>::infinity();
    double prefetched = plain;
    for (int trial = 0; trial < kTrials; ++trial) {
        plain = std::min(plain, read(false));
        prefetched = std::min(prefetched, read(true));
    }
    m_prefetch = prefetched < plain;
}

double ReadBandwidth::read(bool prefetch) {
    const auto begin = std::chrono::steady_clock::now();
    m_pool.run(static_cast<std::int64_t>(m_sums.size()), [&](std::int64_t chunk, int) {
        const auto at = static_cast<std::size_t>(chunk);
        const std::uint64_t* words = m_words.data() + at * kChunkWords;
        m_sums[at] += prefetch ? sumOf<true>(words) : sumOf<false>(words);
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void ReadBandwidth::measure(int passes) {
    for (int pass = 0; pass < passes; ++pass) m_seconds.push_back(read(m_prefetch));
}

double ReadBandwidth::mean() const {
    const double seconds = std::accumulate(m_seconds.begin(), m_seconds.end(), 0.0);
    return m_seconds.empty() ? 0.0 : gigabytes() * static_cast<double>(m_seconds.size()) / seconds;
}

double ReadBandwidth::best() const {
    return m_seconds.empty() ? 0.0 : gigabytes() / *std::ranges::min_element(m_seconds);
}

}  // namespace mixoscope::kernels
