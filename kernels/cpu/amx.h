// Products of BF16 weights by the matrix tiles of AMX (amx-bf16).
//
// A tile of weights, 16 outputs × 32 columns, is read as it lies in the checkpoint. For many rows it comes from a copy:
// in a mapped file rows begin anywhere, and the cache lines of 16 of them often compete for the same place in the first
// cache, either of which makes loads several times as slow. The other operand must be BF16 too: each activation is
// split into three terms whose sum it is, and every term of every row is a column of the product. The columns of a row
// are added at last, so a result is as exact as that of f32 arithmetic. An element of a product accumulates in the
// order of the columns of the weights, whichever rows or outputs are computed beside it.
//
// What differs from f32: the instructions take denormal numbers for 0. That concerns weights and products below 2^-126,
// and activations below 2^-103, whose terms may be so small: they are off by less than 2^-126.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace mixoscope::kernels::cpu {

/// Rows whose terms fill one tile's columns, all but one.
constexpr std::int64_t kAmxGroupRows = 5;
/// Rows and outputs that are computed at a time: two groups, two tiles.
constexpr std::int64_t kAmxRows = 2 * kAmxGroupRows;
constexpr std::int64_t kAmxOutputs = 32;
/// Columns of a tile of weights.
constexpr std::int64_t kAmxColumns = 32;

/// Whether this processor has AMX with BF16 and the system lets this process use it; asks the system at the first call.
bool amxAvailable();

/// Switches the tiles on or off for all products of this process, for tests and measurements; not while one is under
/// way. On at first. Without effect where they are not available.
void setAmx(bool on);

/// Whether products with weights of this type are computed by tiles: of BF16, where available and switched on.
bool usesAmx(DataType type);

/// Words that a row of so many columns takes once packed.
constexpr std::int64_t packedRowWords(std::int64_t columns) {
    return (columns + kAmxColumns - 1) / kAmxColumns * kAmxColumns / 2 * 3;
}

/// Splits columns [begin, end) of a group of rows into terms, in the order that the tiles take them in; `begin` is a
/// multiple of kAmxColumns, and so is `end` unless it is `columns`. Different ranges may be packed at the same time.
///   in      `count` ≤ kAmxGroupRows rows, each (columns)
///   packed  count · packedRowWords(columns) words: groups lie one behind the other, whatever their sizes
void packRows(const float* const* in, std::int64_t count, std::int64_t begin, std::int64_t end, std::uint32_t* packed);

/// A piece of the copy of weights.
struct alignas(64) CacheLine {
    std::byte bytes[64];
};

/// Lines that a row of so many columns takes once copied. An odd number, so that rows keep out of each other's way.
constexpr std::int64_t copiedRowLines(std::int64_t columns) {
    return (columns + kAmxColumns - 1) / kAmxColumns | 1;
}

struct DotRows;

/// dotBlock() (kernels/cpu/dot.h) where usesAmx(w.type).
void dotBlockByTiles(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end);

}  // namespace mixoscope::kernels::cpu
