#include "kernels/cpu/amx.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/dot.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MIXO_AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")))

namespace mixoscope::kernels::cpu {
namespace {

constexpr std::int64_t kTerms = 3;
constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileRowBytes = 64;
constexpr std::int64_t kTileBytes = kTileRows * kTileRowBytes;
constexpr std::int64_t kPairs =
    kAmxColumns / 2;  // a word of the right operand holds a term of two neighbouring columns

/// The instructions that read tiles don't tell the compiler (gcc 12) what they read: it must have been written by here.
inline void finishWriting(const void* data) {
    asm volatile("" : : "r"(data) : "memory");
}

// Packing.

/// x without the 16 bits of least weight, which leaves a BF16 number; NaN stays NaN.
MIXO_AMX inline __m512 leadingTerm(__m512 x) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(-0x10000)));
}

MIXO_AMX inline __m512 quietNan(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x400000)));
}

/// The upper halves of 32 numbers, in order.
MIXO_AMX inline __m512i upperHalves(__m512 low, __m512 high, __m512i odd_halves) {
    return _mm512_permutex2var_epi16(_mm512_castps_si512(low), odd_halves, _mm512_castps_si512(high));
}

MIXO_AMX inline __mmask16 firstOf(std::int64_t count) {
    return static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1 << std::max<std::int64_t>(0, count)) - 1);
}

/// Packs up to 32 columns of one row of a group of `rows`; word (3 · pair + term) · rows of `out` gets that term of
/// that pair of columns.
MIXO_AMX void packColumns(const float* in, std::int64_t count, std::int64_t rows, std::uint32_t* out) {
    const __m512i pairs = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i places = _mm512_mullo_epi32(pairs, _mm512_set1_epi32(static_cast<int>(kTerms * rows)));
    const __m512i odd_halves =  // each word 4 i + 1 below 4 i + 3
        _mm512_add_epi32(_mm512_mullo_epi32(pairs, _mm512_set1_epi32(0x40004)), _mm512_set1_epi32(0x30001));
    __m512 low = quietNan(_mm512_maskz_loadu_ps(firstOf(count), in));
    __m512 high = quietNan(_mm512_maskz_loadu_ps(firstOf(count - 16), in + 16));
    for (std::int64_t term = 0; term < kTerms; ++term) {
        _mm512_i32scatter_epi32(out + term * rows, places, upperHalves(low, high, odd_halves), 4);
        low = _mm512_sub_ps(low, leadingTerm(low));  // exact
        high = _mm512_sub_ps(high, leadingTerm(high));
    }
}

// Multiplying. Tiles 0 to 3 are sums, 4 and 5 weights of 16 outputs each, 6 and 7 groups of rows; sum 2 · o + g belongs
// to weights o and group g.

struct alignas(64) TileConfiguration {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};

    void set(int tile, std::int64_t tile_rows, std::int64_t tile_row_bytes) {
        rows[tile] = static_cast<std::uint8_t>(tile_rows);
        row_bytes[tile] = static_cast<std::uint16_t>(tile_row_bytes);
    }
};

/// Outputs of both tiles of weights and rows of both groups; 0: not used.
struct Shape {
    std::int64_t outputs[2] = {};
    std::int64_t rows[2] = {};
};

MIXO_AMX void configureTiles(const Shape& shape) {
    TileConfiguration configuration;
    for (int o = 0; o < 2; ++o) {
        if (shape.outputs[o] == 0) continue;
        configuration.set(4 + o, shape.outputs[o], kTileRowBytes);
        for (int g = 0; g < 2; ++g) {
            if (shape.rows[g] != 0) configuration.set(2 * o + g, shape.outputs[o], shape.rows[g] * kTerms * 4);
        }
    }
    for (int g = 0; g < 2; ++g) {
        if (shape.rows[g] != 0) configuration.set(6 + g, kPairs, shape.rows[g] * kTerms * 4);
    }
    finishWriting(&configuration);
    _tile_loadconfig(&configuration);
}

/// What a block of outputs is computed from.
struct Operands {
    const std::byte* weights;  // the first output's row
    std::int64_t row_bytes;    // from row to row
    std::int64_t columns;
    const std::uint32_t* groups[2];
    std::int64_t group_row_bytes[2];
    const std::byte* ahead;  // as many bytes as the first tile's rows have are asked for from here on; may be nullptr
};

/// Asks for as many bytes of the weights as a tile has.
inline void askForTile(const std::byte* lines) {
    for (int line = 0; line < kTileRows; ++line) __builtin_prefetch(lines + line * 64, 0, 2);
}

/// Adds the products of one block of columns, the block that `w` begins, and asks for a tile of weights from `ahead`
/// on.
template <int kOutputTiles, int kGroups>
MIXO_AMX inline void addProducts(const Operands& operands, const std::byte* w, std::int64_t row_bytes,
                                 std::int64_t block, const std::byte* ahead) {
    const std::int64_t pairs = block * kPairs;
    _tile_loadd(4, w, row_bytes);
    if (ahead != nullptr) askForTile(ahead);
    _tile_loadd(6, operands.groups[0] + pairs * operands.group_row_bytes[0] / 4, operands.group_row_bytes[0]);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kGroups == 2) {
        _tile_loadd(7, operands.groups[1] + pairs * operands.group_row_bytes[1] / 4, operands.group_row_bytes[1]);
        _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kOutputTiles == 2) {
        _tile_loadd(5, w + kTileRows * row_bytes, row_bytes);
        _tile_dpbf16ps(2, 5, 6);
        if constexpr (kGroups == 2) _tile_dpbf16ps(3, 5, 7);
    }
}

/// Leaves the sums of the outputs and groups in tiles 0 to 3.
template <int kOutputTiles, int kGroups>
MIXO_AMX void sumProducts(const Operands& operands, std::int64_t outputs) {
    _tile_zero(0);
    if constexpr (kGroups == 2) _tile_zero(1);
    if constexpr (kOutputTiles == 2) _tile_zero(2);
    if constexpr (kOutputTiles == 2 && kGroups == 2) _tile_zero(3);
    const std::int64_t blocks = operands.columns / kAmxColumns;
    for (std::int64_t block = 0; block < blocks; ++block) {
        const std::byte* ahead = operands.ahead;
        if (ahead != nullptr) ahead += block * kTileBytes;
        const std::byte* w = operands.weights + block * kTileRowBytes;
        addProducts<kOutputTiles, kGroups>(operands, w, operands.row_bytes, block, ahead);
    }
    const auto rest = static_cast<std::size_t>(operands.columns % kAmxColumns) * 2;
    if (rest == 0) return;
    alignas(64) std::byte last[kOutputTiles * kTileBytes] = {};  // nothing beyond a row is read
    for (std::int64_t output = 0; output < outputs; ++output) {
        const std::byte* w = operands.weights + output * operands.row_bytes + blocks * kTileRowBytes;
        std::memcpy(last + output * kTileRowBytes, w, rest);
    }
    finishWriting(last);
    addProducts<kOutputTiles, kGroups>(operands, last, kTileRowBytes, blocks, nullptr);
}

/// Adds the terms of each row of a group and writes the outputs. An infinite or NaN sum of the leading terms is what
/// f32 arithmetic arrives at; the other terms may have made NaN of an infinity then.
MIXO_AMX void addTerms(const float* sums, std::int64_t rows, std::int64_t outputs, float* const* out, std::int64_t at) {
    constexpr int kNanOrInfinite = 0x01 | 0x08 | 0x10 | 0x80;
    constexpr std::int64_t kLanes = 8;
    alignas(64) float totals[kTileRows * kLanes] = {};  // (outputs, rows)
    const auto wanted = static_cast<__mmask8>(firstOf(rows));
    for (std::int64_t output = 0; output < outputs; ++output, sums += kTileRowBytes / 4) {
        const __m256 leading = _mm256_maskz_loadu_ps(wanted, sums);
        const __m256 small =
            _mm256_add_ps(_mm256_maskz_loadu_ps(wanted, sums + rows), _mm256_maskz_loadu_ps(wanted, sums + 2 * rows));
        const __mmask8 finite = _knot_mask8(_mm256_fpclass_ps_mask(leading, kNanOrInfinite));
        _mm256_store_ps(totals + output * kLanes, _mm256_mask_add_ps(leading, finite, leading, small));
    }
    const __m512i lines = _mm512_set_epi32(120, 112, 104, 96, 88, 80, 72, 64, 56, 48, 40, 32, 24, 16, 8, 0);
    for (std::int64_t row = 0; row < rows; ++row) {
        const __m512 column = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xFFFF, lines, totals + row, 4);
        _mm512_mask_storeu_ps(out[row] + at, firstOf(outputs), column);
    }
}

template <int kOutputTiles, int kGroups>
MIXO_AMX void multiplyOutputs(const Operands& operands, const Shape& shape, float* const* out, std::int64_t at) {
    sumProducts<kOutputTiles, kGroups>(operands, shape.outputs[0] + shape.outputs[1]);
    alignas(64) float sums[4][kTileBytes / sizeof(float)];
    _tile_stored(0, sums[0], kTileRowBytes);
    if constexpr (kGroups == 2) _tile_stored(1, sums[1], kTileRowBytes);
    if constexpr (kOutputTiles == 2) _tile_stored(2, sums[2], kTileRowBytes);
    if constexpr (kOutputTiles == 2 && kGroups == 2) _tile_stored(3, sums[3], kTileRowBytes);
    for (int o = 0; o < kOutputTiles; ++o) {
        for (int g = 0; g < kGroups; ++g) {
            addTerms(sums[2 * o + g], shape.rows[g], shape.outputs[o], out + g * kAmxGroupRows, at + o * kTileRows);
        }
    }
}

/// The weights that this thread has asked for last.
thread_local const void* t_asked_for = nullptr;

/// What nobody has asked for comes faster in the order in which it lies than by 16 rows at a time.
void askFor(const std::byte* weights, std::int64_t bytes) {
    if (weights == t_asked_for) return;
    for (std::int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(weights + at, 0, 2);
}

/// Copies the outputs, `copy_bytes` from row to row.
void copyOutputs(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end, std::int64_t copy_bytes) {
    const WeightsAhead ahead(rows, w, begin, end);
    const std::int64_t row_bytes = w.columns * 2;
    auto* const copy = reinterpret_cast<std::byte*>(rows.copy);
    for (std::int64_t row = begin; row < end; ++row) {
        const std::byte* lines = ahead.of((row - begin) * row_bytes);
        for (std::int64_t at = 0; lines != nullptr && at < row_bytes; at += 64) __builtin_prefetch(lines + at, 0, 2);
        std::memcpy(copy + (row - begin) * copy_bytes, w.row(row), static_cast<std::size_t>(row_bytes));
    }
    finishWriting(rows.copy);
}

}  // namespace

MIXO_AMX void packRows(const float* const* in, std::int64_t count, std::int64_t begin, std::int64_t end,
                       std::uint32_t* packed) {
    assert(count >= 1 && count <= kAmxGroupRows && begin % kAmxColumns == 0);
    for (std::int64_t column = begin; column < end; column += kAmxColumns) {
        std::uint32_t* block = packed + column / 2 * kTerms * count;
        for (std::int64_t row = 0; row < count; ++row) packColumns(in[row] + column, end - column, count, block + row);
    }
}

MIXO_AMX void dotBlockByTiles(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end) {
    assert(rows.packed != nullptr);
    Shape shape;
    shape.rows[0] = std::min(rows.count, kAmxGroupRows);
    shape.rows[1] = rows.count - shape.rows[0];
    Operands operands{.weights = w.row(begin),
                      .row_bytes = w.columns * 2,
                      .columns = w.columns,
                      .groups = {rows.packed, rows.packed + kAmxGroupRows * packedRowWords(w.columns)},
                      .group_row_bytes = {shape.rows[0] * kTerms * 4, shape.rows[1] * kTerms * 4},
                      .ahead = nullptr};
    const bool from_memory = rows.first && rows.copy == nullptr;
    // From memory by one tile: the nearer to the order in which they lie, the faster weights come.
    const std::int64_t at_once = from_memory ? kTileRows : kAmxOutputs;
    if (from_memory) askFor(operands.weights, std::min(end - begin, at_once) * operands.row_bytes);
    if (rows.copy != nullptr) {
        operands.weights = reinterpret_cast<const std::byte*>(rows.copy);
        operands.row_bytes = copiedRowLines(w.columns) * kTileRowBytes;
        if (rows.first) copyOutputs(rows, w, begin, end, operands.row_bytes);
    }
    for (std::int64_t output = begin; output < end; output += at_once) {
        const std::int64_t outputs = std::min(end - output, at_once);
        if (outputs != shape.outputs[0] + shape.outputs[1]) {
            shape.outputs[0] = std::min(outputs, kTileRows);
            shape.outputs[1] = outputs - shape.outputs[0];
            configureTiles(shape);
        }
        const void* behind = output + at_once < end ? w.row(output + at_once) : rows.next;
        operands.ahead = from_memory ? static_cast<const std::byte*>(behind) : nullptr;
        const auto multiply = shape.outputs[1] == 0
                                  ? (shape.rows[1] == 0 ? &multiplyOutputs<1, 1> : &multiplyOutputs<1, 2>)
                                  : (shape.rows[1] == 0 ? &multiplyOutputs<2, 1> : &multiplyOutputs<2, 2>);
        multiply(operands, shape, rows.out, output - begin);
        operands.weights += outputs * operands.row_bytes;
    }
    if (from_memory) t_asked_for = rows.next;
    _tile_release();
}

}  // namespace mixoscope::kernels::cpu

#else  // amxAvailable() says no

namespace mixoscope::kernels::cpu {

void packRows(const float* const* /*in*/, std::int64_t /*count*/, std::int64_t /*begin*/, std::int64_t /*end*/,
              std::uint32_t* /*packed*/) {
    assert(false);
}

void dotBlockByTiles(const DotRows& /*rows*/, const Matrix& /*w*/, std::int64_t /*begin*/, std::int64_t /*end*/) {
    assert(false);
}

}  // namespace mixoscope::kernels::cpu
#endif
