// Dot products of a few rows with a block of a weight matrix: what every matrix product here is made of.
#pragma once

#include <cstdint>

#include "kernels/types.h"

namespace mixoscope::kernels::cpu {

/// Rows that one call takes at most: so many that each weight, once converted, is used often enough.
constexpr std::int64_t kTileRows = 4;
/// Blocks of outputs should hold a multiple of this, so that only the last ends in a partial tile.
constexpr std::int64_t kTileOutputs = 12;

struct DotRows {
    const float* in[kTileRows];  // each (w.columns)
    float* out[kTileRows];       // out[row][output - begin]
    std::int64_t count = 0;
    bool first = true;  // the weights have not been used in this chunk: they come from memory
    /// Weights that are read after this block, to be asked for in time. nullptr: not known.
    const void* next = nullptr;
};

/// Row `output` of a matrix as DotRows::next, nullptr after its last.
inline const void* rowOrNone(const Matrix& w, std::int64_t output) {
    return output < w.rows ? w.row(output) : nullptr;
}

/// rows.out[row][output - begin] = rows.in[row] · w[output] for begin ≤ output < end.
/// The order of summation depends on w.columns only: each lane of one or two vectors that take turns sums the columns
/// of its residue, then the vectors and at last the lanes are added.
void dotBlock(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end);

/// Name of the instruction set in use, e.g. "AVX2".
const char* instructionSet();

}  // namespace mixoscope::kernels::cpu
