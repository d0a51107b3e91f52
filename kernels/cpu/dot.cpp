#include "kernels/cpu/dot.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dot.cpp"
#include "hwy/foreach_target.h"  // compiles this file once for each instruction set
// Below it:
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/cpu/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mixoscope::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

// Decoding is bound by memory: the lines that the next tile of outputs will want are asked for while this one is
// summed, since the hardware's own prefetchers stop at each 4 KiB page, which is about one row of weights.
template <std::size_t kOutputs, typename Weight>
HWY_INLINE void prefetchNextTile(const Weight* w, std::size_t columns, std::size_t i) {
    constexpr std::size_t kLine = 64 / sizeof(Weight);
    if (i % kLine != 0) return;
    for (std::size_t o = 0; o < kOutputs; ++o) hwy::Prefetch(w + (kOutputs + o) * columns + i);
}

/// sums[r][o] of kRows rows and kOutputs consecutive weight rows.
template <std::size_t kRows, std::size_t kOutputs, typename Weight>
HWY_INLINE void dotTile(const DotRows& rows, const Weight* HWY_RESTRICT w, std::size_t columns, std::int64_t at,
                        bool prefetch) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    FloatVector sums[kRows][kOutputs];
    for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t o = 0; o < kOutputs; ++o) sums[r][o] = hn::Zero(d);
    }
    std::size_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
        if (prefetch) prefetchNextTile<kOutputs>(w, columns, i);
        FloatVector weights[kOutputs];
        for (std::size_t o = 0; o < kOutputs; ++o) weights[o] = loadFloats(d, w + o * columns + i);
        for (std::size_t r = 0; r < kRows; ++r) {
            const FloatVector x = hn::LoadU(d, rows.in[r] + i);
            for (std::size_t o = 0; o < kOutputs; ++o) sums[r][o] = hn::MulAdd(x, weights[o], sums[r][o]);
        }
    }
    if (i < columns) {
        const std::size_t count = columns - i;
        FloatVector weights[kOutputs];
        for (std::size_t o = 0; o < kOutputs; ++o) weights[o] = loadFirstFloats(d, w + o * columns + i, count);
        for (std::size_t r = 0; r < kRows; ++r) {
            const FloatVector x = loadFirstFloats(d, rows.in[r] + i, count);
            for (std::size_t o = 0; o < kOutputs; ++o) sums[r][o] = hn::MulAdd(x, weights[o], sums[r][o]);
        }
    }
    for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t o = 0; o < kOutputs; ++o) {
            rows.out[r][at + static_cast<std::int64_t>(o)] = hn::GetLane(hn::SumOfLanes(d, sums[r][o]));
        }
    }
}

/// Outputs [begin, end) of the matrix; `w` is its row `begin`.
template <std::size_t kRows, std::size_t kOutputs, typename Weight>
void dotTiles(const DotRows& rows, const Weight* w, const Matrix& matrix, std::int64_t begin, std::int64_t end) {
    constexpr auto kStep = static_cast<std::int64_t>(kOutputs);
    static_assert(kTileOutputs % kStep == 0);
    const auto columns = static_cast<std::size_t>(matrix.columns);
    const auto tile = [&](std::int64_t output) { return w + static_cast<std::size_t>(output - begin) * columns; };
    std::int64_t output = begin;
    for (; output + kStep <= end; output += kStep) {
        const bool prefetch = rows.first && output + 2 * kStep <= matrix.rows;
        dotTile<kRows, kOutputs>(rows, tile(output), columns, output - begin, prefetch);
    }
    for (; output < end; ++output) dotTile<kRows, 1>(rows, tile(output), columns, output - begin, false);
}

template <typename Weight>
void dotBlockOf(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end) {
    const auto* data = reinterpret_cast<const Weight*>(w.row(begin));
    // One row: four streams of weights, few enough for the ways of the first cache when rows lie a power of two apart.
    // More: twelve accumulators fill the registers of AVX2 beside three weights and one input.
    switch (rows.count) {
        case 1:
            return dotTiles<1, 4>(rows, data, w, begin, end);
        case 2:
            return dotTiles<2, 4>(rows, data, w, begin, end);
        case 3:
            return dotTiles<3, 3>(rows, data, w, begin, end);
        default:
            return dotTiles<4, 3>(rows, data, w, begin, end);
    }
}

void dotBlock(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end) {
    switch (w.type) {
        case DataType::kF32:
            return dotBlockOf<float>(rows, w, begin, end);
        case DataType::kF16:
            return dotBlockOf<hwy::float16_t>(rows, w, begin, end);
        case DataType::kBF16:
            return dotBlockOf<hwy::bfloat16_t>(rows, w, begin, end);
    }
}

const char* instructionSet() {
    return hwy::TargetName(HWY_TARGET);
}

}  // namespace mixoscope::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mixoscope::kernels::cpu {

HWY_EXPORT(dotBlock);
HWY_EXPORT(instructionSet);

void dotBlock(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end) {
    assert(rows.count >= 1 && rows.count <= kTileRows && begin >= 0 && begin < end && end <= w.rows);
    HWY_DYNAMIC_DISPATCH(dotBlock)(rows, w, begin, end);
}

const char* instructionSet() {
    return HWY_DYNAMIC_DISPATCH(instructionSet)();
}

}  // namespace mixoscope::kernels::cpu
#endif
