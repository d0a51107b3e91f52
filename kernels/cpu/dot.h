// Dot products of a few rows with a block of a weight matrix: what every matrix product here is made of.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/amx.h"
#include "kernels/types.h"

namespace mixoscope::kernels::cpu {

/// Rows that vectors, without tiles, multiply at a time: so many that each weight, once converted, is used often
/// enough.
constexpr std::int64_t kVectorRows = 4;
/// Outputs of which vectors compute whole tiles in registers.
constexpr std::int64_t kVectorOutputs = 12;

/// Rows that one call takes at most with weights of this type, and how many that can be.
inline std::int64_t rowsAtOnce(DataType type) {
    return usesAmx(type) ? kAmxRows : kVectorRows;
}
constexpr std::int64_t kMaxRowsAtOnce = std::max(kVectorRows, kAmxRows);

/// Blocks of outputs should hold a multiple of this, so that only the last ends in a partial tile.
inline std::int64_t outputsAtOnce(DataType type) {
    return usesAmx(type) ? kAmxOutputs : kVectorOutputs;
}

struct DotRows {
    const float* in[kMaxRowsAtOnce] = {};  // each (w.columns)
    float* out[kMaxRowsAtOnce] = {};       // out[row][output - begin]
    std::int64_t count = 0;                // ≤ rowsAtOnce(w.type)
    bool first = true;                     // the weights have not been used in this chunk: they come from memory
    /// Where usesAmx(w.type), instead of `in`: the same rows as packRows() leaves them; and where further calls follow
    /// for other rows, room for a copy of the block that the first makes and all use, copiedRowLines(w.columns) an
    /// output.
    const std::uint32_t* packed = nullptr;
    CacheLine* copy = nullptr;
    /// Weights that are read after this block, to be asked for in time. nullptr: not known.
    const void* next = nullptr;
};

/// Row `output` of a matrix as DotRows::next, nullptr after its last.
inline const void* rowOrNone(const Matrix& w, std::int64_t output) {
    return output < w.rows ? w.row(output) : nullptr;
}

/// The weights that will be read soon. Decoding is bound by memory, and the hardware's own prefetchers stop at each 4
/// KiB page, which is about one row of weights: lines are asked for so long before they are used, in the order in which
/// they lie in memory, into the second cache (the first would drop them again).
class WeightsAhead {
public:
    static constexpr std::int64_t kBytes = 16 * 1024;

    WeightsAhead(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end)
        : m_block(rows.first ? w.row(begin) : nullptr),
          m_bytes((end - begin) * w.columns * static_cast<std::int64_t>(bytesPerElement(w.type))),
          m_next(static_cast<const std::byte*>(rows.next)) {}

    /// What to ask for when the byte at this offset of the block is used; nullptr: nothing.
    const std::byte* of(std::int64_t offset) const {
        if (m_block == nullptr) return nullptr;
        offset += kBytes;
        if (offset < m_bytes) return m_block + offset;
        return m_next == nullptr ? nullptr : m_next + (offset - m_bytes);
    }

private:
    const std::byte* m_block;
    std::int64_t m_bytes;
    const std::byte* m_next;
};

/// rows.out[row][output - begin] = rows.in[row] · w[output] for begin ≤ output < end.
/// The order of summation depends on w.columns only: each lane of one or two vectors that take turns sums the columns
/// of its residue, then the vectors and at last the lanes are added. Of tiles: kernels/cpu/amx.h.
void dotBlock(const DotRows& rows, const Matrix& w, std::int64_t begin, std::int64_t end);

/// Name of the vector instruction set in use, e.g. "AVX2".
const char* instructionSet();

}  // namespace mixoscope::kernels::cpu
