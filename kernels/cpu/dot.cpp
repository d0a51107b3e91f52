#include "kernels/cpu/dot.h"

#include <algorithm>

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

/// Asks for the lines behind `ahead` that take the place of `count` columns from `i` on of kOutputs rows.
template <std::size_t kOutputs, typename Weight>
HWY_INLINE void prefetchLines(const std::byte* ahead, std::size_t i, std::size_t count) {
    constexpr std::size_t kLine = 64 / sizeof(Weight);
    if (i % kLine != 0) return;
    const std::size_t lines = std::max<std::size_t>(1, count / kLine) * kOutputs;
    for (std::size_t line = 0; line < lines; ++line) {
        __builtin_prefetch(ahead + kOutputs * i * sizeof(Weight) + line * 64, 0, 2);
    }
}

/// A sum of products is kept in kParts vectors that take turns, so that the multiply-adds of one output don't wait for
/// each other. Where vectors are wide one row is bound by that wait and registers abound; elsewhere several outputs at
/// a time hide it.
constexpr std::size_t kParts = HWY_MAX_BYTES >= 64 ? 2 : 1;

/// Products of so few columns are short: a few times as many as the sums of lanes at their end.
constexpr std::int64_t kShortColumns = 256;

/// Sums of the lanes of four vectors at once, a good part of a short product: of each vector the halves are added, then
/// the halves of that sum, and so on, whatever stands beside it.
HWY_INLINE void sumsOfLanes(FloatTag d, const FloatVector (&vectors)[4], float (&sums)[4]) {
#if HWY_MAX_BYTES == 64
    const hn::Half<FloatTag> half;
    const hn::Half<decltype(half)> quarter;
    const auto quarterOf = [&](const FloatVector& vector) HWY_ATTR {
        const auto sum = hn::Add(hn::LowerHalf(half, vector), hn::UpperHalf(half, vector));
        return hn::Add(hn::LowerHalf(quarter, sum), hn::UpperHalf(quarter, sum));
    };
    const auto pairs = [&](std::size_t i) HWY_ATTR {
        const auto first = quarterOf(vectors[i]);
        const auto second = quarterOf(vectors[i + 1]);
        return hn::Add(hn::ConcatLowerLower(quarter, second, first), hn::ConcatUpperUpper(quarter, second, first));
    };
    const auto low = pairs(0);
    const auto high = pairs(2);
    hn::StoreU(hn::Add(hn::ConcatEven(quarter, high, low), hn::ConcatOdd(quarter, high, low)), quarter, sums);
#else
    for (std::size_t i = 0; i < 4; ++i) sums[i] = hn::GetLane(hn::SumOfLanes(d, vectors[i]));
#endif
}

/// sums[r][o] of kRows rows and kOutputs consecutive weight rows; as many bytes are asked for from `ahead` on, which
/// may be nullptr.
template <std::size_t kRows, std::size_t kOutputs, typename Weight>
HWY_INLINE void dotTile(const DotRows& rows, const Weight* HWY_RESTRICT w, std::size_t columns, std::int64_t at,
                        const std::byte* ahead) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    FloatVector sums[kParts][kRows][kOutputs];
    for (auto& part : sums) {
        for (auto& row : part) {
            for (FloatVector& sum : row) sum = hn::Zero(d);
        }
    }
    const auto add = [&](std::size_t part, const auto& load, std::size_t i) HWY_ATTR {
        FloatVector weights[kOutputs];
        for (std::size_t o = 0; o < kOutputs; ++o) weights[o] = load(w + o * columns + i);
        for (std::size_t r = 0; r < kRows; ++r) {
            const FloatVector x = load(rows.in[r] + i);
            for (std::size_t o = 0; o < kOutputs; ++o) sums[part][r][o] = hn::MulAdd(x, weights[o], sums[part][r][o]);
        }
    };
    const auto whole = [&](const auto* data) HWY_ATTR { return loadFloats(d, data); };
    std::size_t i = 0;
    for (; i + kParts * lanes <= columns; i += kParts * lanes) {
        if (ahead != nullptr) prefetchLines<kOutputs, Weight>(ahead, i, kParts * lanes);
        for (std::size_t part = 0; part < kParts; ++part) add(part, whole, i + part * lanes);
    }
    for (std::size_t part = 0; i + lanes <= columns; i += lanes) add(part++, whole, i);
    if (i < columns) {
        const std::size_t count = columns - i;
        add(
            kParts - 1, [&](const auto* data) HWY_ATTR { return loadFirstFloats(d, data, count); }, i);
    }
    constexpr std::size_t kSums = kRows * kOutputs;
    float results[kSums];
    for (std::size_t first = 0; first < kSums; first += 4) {
        FloatVector vectors[4];
        for (std::size_t k = 0; k < 4; ++k) {
            const std::size_t r = (first + k) / kOutputs;
            const std::size_t o = (first + k) % kOutputs;
            vectors[k] = r < kRows ? sums[0][r][o] : hn::Zero(d);
            for (std::size_t part = 1; part < kParts && r < kRows; ++part)
                vectors[k] = hn::Add(vectors[k], sums[part][r][o]);
        }
        float four[4];
        sumsOfLanes(d, vectors, four);
        std::copy_n(four, std::min<std::size_t>(4, kSums - first), results + first);
    }
    for (std::size_t r = 0; r < kRows; ++r) std::copy_n(results + r * kOutputs, kOutputs, rows.out[r] + at);
}

/// Outputs [begin, end) of the matrix; `w` is its row `begin`.
template <std::size_t kRows, std::size_t kOutputs, typename Weight>
void dotTiles(const DotRows& rows, const Weight* w, const Matrix& matrix, std::int64_t begin, std::int64_t end) {
    constexpr auto kStep = static_cast<std::int64_t>(kOutputs);
    static_assert(kVectorOutputs % kStep == 0);
    const auto columns = static_cast<std::size_t>(matrix.columns);
    const auto row_bytes = static_cast<std::int64_t>(columns * sizeof(Weight));
    const WeightsAhead ahead(rows, matrix, begin, end);
    const auto tile = [&](std::int64_t output) { return w + static_cast<std::size_t>(output - begin) * columns; };
    std::int64_t output = begin;
    for (; output + kStep <= end; output += kStep) {
        dotTile<kRows, kOutputs>(rows, tile(output), columns, output - begin, ahead.of((output - begin) * row_bytes));
    }
    for (; output < end; ++output) dotTile<kRows, 1>(rows, tile(output), columns, output - begin, nullptr);
}

template <typename Weight>
void dotBlockOf(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end) {
    const auto* data = reinterpret_cast<const Weight*>(w.row(begin));
    // Weights from memory come fastest in the order in which they lie, so one output at a time where vectors are wide;
    // but of short ones the sums of lanes take as long as the products, and four outputs share that.
    if (kParts > 1 && rows.first && w.columns > kShortColumns) {
        switch (rows.count) {
            case 1:
                return dotTiles<1, 1>(rows, data, w, begin, end);
            case 2:
                return dotTiles<2, 1>(rows, data, w, begin, end);
            case 3:
                return dotTiles<3, 1>(rows, data, w, begin, end);
            default:
                return dotTiles<4, 1>(rows, data, w, begin, end);
        }
    }
    // Else one row reads four streams, few enough for the ways of the first cache when rows lie a power of two apart;
    // of more rows, twelve accumulators fill the registers of AVX2 beside three weights and one input.
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
    assert(rows.count >= 1 && rows.count <= rowsAtOnce(w.type) && begin >= 0 && begin < end && end <= w.rows);
    if (usesAmx(w.type)) return dotBlockByTiles(rows, w, begin, end);
    HWY_DYNAMIC_DISPATCH(dotBlock)(rows, w, begin, end);
}

const char* instructionSet() {
    return HWY_DYNAMIC_DISPATCH(instructionSet)();
}

}  // namespace mixoscope::kernels::cpu
#endif
