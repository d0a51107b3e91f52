// Speed of the CPU kernels: matrix-vector products against the machine's read bandwidth, products of many rows,
// experts, attention. Run with --benchmark_filter to choose. Argument `threads` of 2 uses the pool, `amx` of 1 the
// tiles.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/bandwidth.h"

namespace {

using namespace mixoscope::kernels;

constexpr std::int64_t kColumns = 2048;
constexpr std::int64_t kBytes = std::int64_t{192} * 1024 * 1024;  // more than a last-level cache holds

double gigabytes(double bytes) {
    return bytes / 1e9;
}

/// Matrices of `bytes` in all, taken in turn so that each comes from memory.
class WeightRing {
public:
    WeightRing(std::int64_t rows, std::int64_t columns, std::int64_t bytes)
        : m_bits(static_cast<std::size_t>(bytes / 2), 0x3C01), m_rows(rows), m_columns(columns) {}
    std::int64_t count() const { return static_cast<std::int64_t>(m_bits.size()) / (m_rows * m_columns); }
    Matrix next() {
        m_at = (m_at + 1) % count();
        return {m_bits.data() + m_at * m_rows * m_columns, DataType::kBF16, m_rows, m_columns};
    }

private:
    std::vector<std::uint16_t> m_bits;
    std::int64_t m_rows;
    std::int64_t m_columns;
    std::int64_t m_at = 0;
};

void readMemory(benchmark::State& state) {
    ReadBandwidth bandwidth(static_cast<int>(state.range(0)), kBytes);
    for (auto _ : state) bandwidth.measure(1);
    state.counters["GB/s"] = benchmark::Counter(gigabytes(static_cast<double>(bandwidth.bytes())),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(readMemory)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->MeasureProcessCPUTime();

/// False: the benchmark wants the tiles and this machine has none.
bool switchAmx(benchmark::State& state, bool on) {
    if (on && !cpu::amxAvailable()) {
        state.SkipWithError("no AMX with BF16 here");
        return false;
    }
    cpu::setAmx(on);
    return true;
}

/// GB/s: weights read. The bound is readMemory with as many threads.
void matmulRows(benchmark::State& state) {
    if (!switchAmx(state, state.range(2) != 0)) return;
    const std::int64_t rows = state.range(1);
    const auto backend = makeCpuBackend(static_cast<int>(state.range(0)));
    WeightRing weights(kColumns, kColumns, kBytes);
    const std::vector<float> in(static_cast<std::size_t>(rows * kColumns), 0.5F);
    std::vector<float> out(in.size());
    for (auto _ : state) {
        backend->matmul({in.data(), rows, kColumns}, weights.next(), {}, Accumulate::kOverwrite,
                        {out.data(), rows, kColumns});
        benchmark::DoNotOptimize(out.data());
    }
    const double elements = static_cast<double>(kColumns * kColumns);
    state.counters["GB/s"] =
        benchmark::Counter(gigabytes(2.0 * elements), benchmark::Counter::kIsIterationInvariantRate);
    state.counters["GFLOP/s"] = benchmark::Counter(2.0 * elements * static_cast<double>(rows) / 1e9,
                                                   benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(matmulRows)
    ->ArgNames({"threads", "rows", "amx"})
    ->ArgsProduct({{1, 2}, {1, 2, 4, 8, 128}, {0, 1}})
    ->UseRealTime()
    ->MeasureProcessCPUTime();

/// A layer of 64 experts, top-8, hidden 2048, intermediate 768 (the shape of Qwen3-30B-A3B, half its experts).
void experts(benchmark::State& state) {
    if (!switchAmx(state, state.range(2) != 0)) return;
    constexpr std::int64_t kExperts = 64;
    constexpr std::int64_t kIntermediate = 768;
    constexpr std::int64_t kSlots = 8;
    const std::int64_t rows = state.range(1);
    const auto backend = makeCpuBackend(static_cast<int>(state.range(0)));
    WeightRing gates(kIntermediate, kColumns, 2 * kExperts * kIntermediate * kColumns);
    WeightRing ups = gates;
    WeightRing downs(kColumns, kIntermediate, 2 * kExperts * kIntermediate * kColumns);
    std::vector<ExpertMatrices> layer;
    for (std::int64_t i = 0; i < kExperts; ++i) layer.push_back({gates.next(), ups.next(), downs.next()});
    const std::vector<float> in(static_cast<std::size_t>(rows * kColumns), 0.5F);
    std::vector<float> out(in.size());
    std::vector<std::int32_t> ids(static_cast<std::size_t>(rows * kSlots));
    const std::vector<float> weights(ids.size(), 0.125F);
    std::int32_t step = 0;
    for (auto _ : state) {
        for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = (step + static_cast<std::int32_t>(i) * 7) % kExperts;
        step += 11;
        backend->experts({in.data(), rows, kColumns}, layer, {ids.data(), weights.data(), kSlots},
                         {out.data(), rows, kColumns});
        benchmark::DoNotOptimize(out.data());
    }
    const double chosen = static_cast<double>(std::min<std::int64_t>(kExperts, rows * kSlots));
    const double elements = 3.0 * static_cast<double>(kIntermediate * kColumns);
    state.counters["GB/s"] =
        benchmark::Counter(gigabytes(2.0 * elements * chosen), benchmark::Counter::kIsIterationInvariantRate);
    state.counters["GFLOP/s"] = benchmark::Counter(2.0 * elements * static_cast<double>(rows * kSlots) / 1e9,
                                                   benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(experts)
    ->ArgNames({"threads", "rows", "amx"})
    ->ArgsProduct({{1, 2}, {1, 4, 128}, {0, 1}})
    ->UseRealTime()
    ->MeasureProcessCPUTime();

/// 32 heads of 128 on 4 key/value heads. GB/s: keys and values read once a row.
void attention(benchmark::State& state) {
    const std::int64_t rows = state.range(1);
    const std::int64_t positions = state.range(2);
    constexpr std::int64_t kHeads = 32;
    constexpr std::int64_t kKvHeads = 4;
    constexpr std::int64_t kHeadDim = 128;
    const auto backend = makeCpuBackend(static_cast<int>(state.range(0)));
    std::vector<std::int32_t> pages(static_cast<std::size_t>((positions + kKvPageTokens - 1) / kKvPageTokens));
    std::iota(pages.begin(), pages.end(), 0);
    const auto size = pages.size() * static_cast<std::size_t>(kKvHeads * kKvPageTokens * kHeadDim);
    std::vector<float> keys(size, 0.01F);
    std::vector<float> values(size, 0.01F);
    const std::vector<float> queries(static_cast<std::size_t>(rows * kHeads * kHeadDim), 0.5F);
    std::vector<float> out(queries.size());
    const std::vector<SequencePosition> sequence(static_cast<std::size_t>(rows), {pages, positions - 1});
    for (auto _ : state) {
        backend->attention({queries.data(), rows, kHeads * kHeadDim}, {keys.data(), values.data(), kKvHeads, kHeadDim},
                           sequence, kHeads, {out.data(), rows, kHeads * kHeadDim});
        benchmark::DoNotOptimize(out.data());
    }
    const double cells = static_cast<double>(rows * positions * kHeadDim);
    state.counters["GB/s"] = benchmark::Counter(gigabytes(8.0 * cells * static_cast<double>(kKvHeads)),
                                                benchmark::Counter::kIsIterationInvariantRate);
    state.counters["GFLOP/s"] = benchmark::Counter(4.0 * cells * static_cast<double>(kHeads) / 1e9,
                                                   benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(attention)
    ->ArgNames({"threads", "rows", "positions"})
    ->Args({1, 1, 512})
    ->Args({2, 1, 512})
    ->Args({1, 1, 16384})
    ->Args({2, 1, 16384})
    ->Args({1, 128, 512})
    ->Args({2, 128, 512})
    ->UseRealTime()
    ->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
