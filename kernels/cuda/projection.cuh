// Rows of activations times weight matrices: the rows lie in shared memory, normed on the way if wanted; each warp
// takes outputs.
#pragma once

#include "kernels/cuda/dot.cuh"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

/// Rows to be multiplied.
struct ProjectionInput {
    const float* rows = nullptr;
    std::int32_t columns = 0;
    std::int32_t stride = 0;
    std::int32_t count = 0;
    const std::int32_t* gather = nullptr;  // (count) which rows; null: the first `count`
    const float* norm = nullptr;           // (columns) weights of an RMSNorm; null: none
    float norm_epsilon = 0.0F;
};

/// One product of several with the same input.
struct ProjectionPart {
    DeviceMatrix w;
    const float* bias = nullptr;
    float* out = nullptr;  // (count, w.rows)
    bool add = false;
};

/// Parts that a sum of squares is cut into; each thread takes as many as it must, so that the bits of a norm depend on
/// nothing but the row.
constexpr int kNormParts = 256;

/// Shared memory for a tile of rows.
struct RowTile {
    float* values;     // (row_tile, paddedColumns(columns))
    float* norm_sums;  // (kNormParts)

    __host__ __device__ RowTile(SharedArrays& shared, int row_tile, int columns)
        : values(shared.take<float>(static_cast<std::int64_t>(row_tile) * paddedColumns(columns))),
          norm_sums(shared.take<float>(kNormParts)) {}
};

/// Scale of an RMSNorm, the same in every thread of the block. All threads take part.
__device__ inline float normScale(const float* row, int columns, float epsilon, float* sums) {
    __syncthreads();  // the sums of the row before are read no more
    for (int part = static_cast<int>(threadIdx.x); part < kNormParts; part += static_cast<int>(blockDim.x)) {
        float squares = 0.0F;
        for (int i = part; i < columns; i += kNormParts) squares = fmaf(row[i], row[i], squares);
        sums[part] = squares;
    }
    __syncthreads();
    float sum = 0.0F;
    for (int part = lane(); part < kNormParts; part += kWarpLanes) sum += sums[part];
    return 1.0F / sqrtf(warpSum(sum) / static_cast<float>(columns) + epsilon);
}

/// Brings rows [first, first + count) of the input into the tile. All threads take part and wait for one another.
__device__ inline void loadTile(const ProjectionInput& in, int first, int count, const RowTile& tile) {
    const int padded = paddedColumns(in.columns);
    __syncthreads();  // the tile before is used no more
    for (int row = 0; row < count; ++row) {
        const int source = in.gather == nullptr ? first + row : in.gather[first + row];
        const float* x = in.rows + static_cast<std::int64_t>(source) * in.stride;
        float* values = tile.values + row * padded;
        const float scale = in.norm == nullptr ? 1.0F : normScale(x, in.columns, in.norm_epsilon, tile.norm_sums);
        for (int i = static_cast<int>(threadIdx.x); i < padded; i += static_cast<int>(blockDim.x)) {
            if (i >= in.columns) {
                values[i] = 0.0F;
            } else {
                values[i] = in.norm == nullptr ? x[i] : x[i] * scale * in.norm[i];
            }
        }
    }
    __syncthreads();
}

template <int kRows>
__device__ inline void projectOutput(const ProjectionPart& part, int output, const RowTile& tile, int padded, int first,
                                     int count) {
    int offsets[kRows];
#pragma unroll
    for (int row = 0; row < kRows; ++row) offsets[row] = row * padded;
    float sums[kRows];
    dotRows(part.w, output, tile.values, offsets, count, sums);
    if (lane() != 0) return;
    const float bias = part.bias == nullptr ? 0.0F : part.bias[output];
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
        if (row >= count) break;
        float& out = part.out[static_cast<std::int64_t>(first + row) * part.w.rows + output];
        const float sum = sums[row] + bias;
        out = part.add ? out + sum : sum;
    }
}

/// Products with the same input.
struct ProjectionParts {
    ProjectionPart parts[3];
    int count = 0;
};

/// All products, in tiles of `row_tile` rows. Compiled once for all phases: its loops are unrolled far.
__device__ MIXO_NOT_INLINE void project(const ProjectionInput& in, const ProjectionParts& products, int row_tile,
                                        const RowTile& tile) {
    int outputs = 0;
    for (int part = 0; part < products.count; ++part) outputs += products.parts[part].w.rows;
    const int padded = paddedColumns(in.columns);
    for (int first = 0; first < in.count; first += row_tile) {
        const int count = in.count - first < row_tile ? in.count - first : row_tile;
        loadTile(in, first, count, tile);
        for (int task = firstWarpTask(); task < outputs; task += warpTasksAtOnce()) {
            int output = task;
            int index = 0;
            while (output >= products.parts[index].w.rows) output -= products.parts[index++].w.rows;
            if (count == 1) {
                projectOutput<1>(products.parts[index], output, tile, padded, first, count);
            } else {
                projectOutput<kRowsAtOnce>(products.parts[index], output, tile, padded, first, count);
            }
        }
    }
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
