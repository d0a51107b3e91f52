#include "kernels/cpu/dot.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/dot.cpp"
#include "hwy/foreach_target.h"  // compiles this file once for each instruction set
// Below it:
#include "hwy/highway.h"
#include "kernels/cpu/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mixoscope::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

// Decoding is bound by memory, and the hardware's own prefetchers stop at each 4 KiB page, which is about one row of
// weights: lines are asked for so long before they are summed, in the order in which they lie in memory, into the
// second cache (the first would drop them again).
constexpr std::size_t kPrefetchBytes = 16 * 1024;

/// Asks for kOutputs lines of those that start at `ahead`, once for each line of a row.
template <std::size_t kOutputs, typename Weight>
HWY_INLINE void prefetchLines(const std::byte* ahead, std::size_t i) {
    constexpr std::size_t kLine = 64 / sizeof(Weight);
    if (i % kLine != 0) return;
    for (std::size_t o = 0; o < kOutputs; ++o) {
        __builtin_prefetch(ahead + kOutputs * i * sizeof(Weight) + o * 64, 0, 2);
    }
}

/// sums[r][o] of kRows rows and kOutputs consecutive weight rows; as many bytes are asked for from `ahead` on, which
/// may be nullptr.
template <std::size_t kRows, std::size_t kOutputs, typename Weight>
HWY_INLINE void dotTile(const DotRows& rows, const Weight* HWY_RESTRICT w, std::size_t columns, std::int64_t at,
                        const std::byte* ahead) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    FloatVector sums[kRows][kOutputs];
    for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t o = 0; o < kOutputs; ++o) sums[r][o] = hn::Zero(d);
    }
    std::size_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
        if (ahead != nullptr) prefetchLines<kOutputs, Weight>(ahead, i);
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
    const std::size_t row_bytes = columns * sizeof(Weight);
    const std::size_t block_bytes = static_cast<std::size_t>(end - begin) * row_bytes;
    const auto ahead = [&](std::size_t offset) -> const std::byte* {
        if (!rows.first) return nullptr;
        offset += kPrefetchBytes;
        if (offset < block_bytes) return reinterpret_cast<const std::byte*>(w) + offset;
        return rows.next == nullptr ? nullptr : static_cast<const std::byte*>(rows.next) + (offset - block_bytes);
    };
    const auto tile = [&](std::int64_t output) { return w + static_cast<std::size_t>(output - begin) * columns; };
    std::int64_t output = begin;
    for (; output + kStep <= end; output += kStep) {
        const std::byte* lines = ahead(static_cast<std::size_t>(output - begin) * row_bytes);
        dotTile<kRows, kOutputs>(rows, tile(output), columns, output - begin, lines);
    }
    for (; output < end; ++output) dotTile<kRows, 1>(rows, tile(output), columns, output - begin, nullptr);
}

template <typename Weight>
void dotBlockOf(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end) {
    const auto* data = reinterpret_cast<const Weight*>(w.row(begin));
    // One row: weights read as they lie come fastest, but one sum at a time is fast enough only where vectors are wide;
    // else four streams, few enough for the ways of the first cache when rows lie a power of two apart.
    // More: twelve accumulators fill the registers of AVX2 beside three weights and one input.
    switch (rows.count) {
        case 1:
            if (hn::Lanes(FloatTag()) >= 16) return dotTiles<1, 1>(rows, data, w, begin, end);
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
