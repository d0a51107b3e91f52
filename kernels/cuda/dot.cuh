// Dot products of a weight row, read in pieces of 16 bytes, with rows of activations. A lane takes every 32nd piece;
// the sum of a row is the same whatever other rows are multiplied beside it.
#pragma once

#include "kernels/cuda/step.h"
#include "kernels/cuda/thread_block.cuh"
#ifndef __CUDACC__
#include "kernels/float_formats.h"
#endif

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

/// Pieces that a lane asks for before it uses the first: bytes under way keep the memory busy, and registers bound
/// them.
template <int kRows>
constexpr int kPiecesUnderWay = kRows == 1 ? 4 : 2;

__device__ inline float floatOfBits(std::uint32_t bits) {
#ifdef __CUDACC__
    return __uint_as_float(bits);
#else
    return std::bit_cast<float>(bits);
#endif
}

template <DataType kType>
struct PieceOf;

template <>
struct PieceOf<DataType::kF32> {
    static constexpr int kElements = 4;
    __device__ static void unpack(const uint4& piece, float (&values)[kElements]) {
        values[0] = floatOfBits(piece.x);
        values[1] = floatOfBits(piece.y);
        values[2] = floatOfBits(piece.z);
        values[3] = floatOfBits(piece.w);
    }
};

template <>
struct PieceOf<DataType::kBF16> {
    static constexpr int kElements = 8;
    __device__ static void unpack(const uint4& piece, float (&values)[kElements]) {
        const std::uint32_t words[4] = {piece.x, piece.y, piece.z, piece.w};
        for (int word = 0; word < 4; ++word) {
            values[2 * word] = floatOfBits(words[word] << 16);
            values[2 * word + 1] = floatOfBits(words[word] & 0xFFFF0000U);
        }
    }
};

template <>
struct PieceOf<DataType::kF16> {
    static constexpr int kElements = 8;
    __device__ static void unpack(const uint4& piece, float (&values)[kElements]) {
        const std::uint32_t words[4] = {piece.x, piece.y, piece.z, piece.w};
        for (int word = 0; word < 4; ++word) {
            values[2 * word] = floatOfHalf(static_cast<std::uint16_t>(words[word] & 0xFFFFU));
            values[2 * word + 1] = floatOfHalf(static_cast<std::uint16_t>(words[word] >> 16));
        }
    }
    __device__ static float floatOfHalf(std::uint16_t bits) {
#ifdef __CUDACC__
        return __half2float(__ushort_as_half(bits));
#else
        return floatFromF16(bits);
#endif
    }
};

/// Adds a piece's products to the sums of the rows that are there.
template <DataType kType, int kRows>
__device__ inline void addPiece(const uint4& piece, int index, const float* x, const int (&offsets)[kRows], int rows,
                                float (&sums)[kRows]) {
    constexpr int kElements = PieceOf<kType>::kElements;
    float weights[kElements];
    PieceOf<kType>::unpack(piece, weights);
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
        if (row >= rows) break;
        const float4* values = reinterpret_cast<const float4*>(x + offsets[row] + index * kElements);
#pragma unroll
        for (int quarter = 0; quarter < kElements / 4; ++quarter) {
            const float4 v = values[quarter];
            sums[row] = fmaf(weights[4 * quarter], v.x, sums[row]);
            sums[row] = fmaf(weights[4 * quarter + 1], v.y, sums[row]);
            sums[row] = fmaf(weights[4 * quarter + 2], v.z, sums[row]);
            sums[row] = fmaf(weights[4 * quarter + 3], v.w, sums[row]);
        }
    }
}

template <DataType kType, int kRows>
__device__ inline void addRow(const std::byte* weights, int pieces, const float* x, const int (&offsets)[kRows],
                              int rows, float (&sums)[kRows]) {
    for (int first = lane(); first < pieces; first += kPiecesUnderWay<kRows> * kWarpLanes) {
        uint4 loaded[kPiecesUnderWay<kRows>];
#pragma unroll
        for (int i = 0; i < kPiecesUnderWay<kRows>; ++i) {
            const int index = first + i * kWarpLanes;
            if (index < pieces) loaded[i] = loadOnce(weights + static_cast<std::int64_t>(index) * kPieceBytes);
        }
#pragma unroll
        for (int i = 0; i < kPiecesUnderWay<kRows>; ++i) {
            const int index = first + i * kWarpLanes;
            if (index < pieces) addPiece<kType, kRows>(loaded[i], index, x, offsets, rows, sums);
        }
    }
}

template <int kRows>
__device__ inline void addTypedRow(const DeviceMatrix& w, int output, const float* x, const int (&offsets)[kRows],
                                   int rows, float (&sums)[kRows]) {
    const std::byte* weights =
        w.data + static_cast<std::int64_t>(output) * w.row_pieces * static_cast<std::int64_t>(kPieceBytes);
    for (int row = 0; row < kRows; ++row) sums[row] = 0.0F;
    switch (w.type) {
        case DataType::kF32:
            addRow<DataType::kF32, kRows>(weights, w.row_pieces, x, offsets, rows, sums);
            break;
        case DataType::kF16:
            addRow<DataType::kF16, kRows>(weights, w.row_pieces, x, offsets, rows, sums);
            break;
        case DataType::kBF16:
            addRow<DataType::kBF16, kRows>(weights, w.row_pieces, x, offsets, rows, sums);
            break;
    }
}

/// sums[r] = row `output` of w · (x + offsets[r]) for r < rows ≤ kRowsAtOnce, the same in every lane. x is 16-byte
/// aligned and padded with zeros as the weights are. Compiled once for all phases: its loops are unrolled far.
__device__ MIXO_NOT_INLINE void dotRows(const DeviceMatrix& w, int output, const float* x,
                                        const int (&offsets)[kRowsAtOnce], int rows, float (&sums)[kRowsAtOnce]) {
    addTypedRow<kRowsAtOnce>(w, output, x, offsets, rows, sums);
    for (int row = 0; row < rows; ++row) sums[row] = warpSum(sums[row]);
}

/// The same for one row, which is all that decoding one sequence has.
__device__ inline void dotRows(const DeviceMatrix& w, int output, const float* x, const int (&offsets)[1], int /*rows*/,
                               float (&sums)[1]) {
    addTypedRow<1>(w, output, x, offsets, 1, sums);
    sums[0] = warpSum(sums[0]);
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
