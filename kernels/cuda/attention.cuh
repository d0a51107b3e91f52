// Attention over the paged cache: norm and rotation of queries and keys, storing keys and values, and grouped-query
// attention whose positions are cut into parts, so that one long sequence keeps many blocks busy.
#pragma once

#include "kernels/cuda/step_input.cuh"
#include "kernels/cuda/thread_block.cuh"
#include "kernels/exponential.h"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

/// Norm (if `norm` is not null) and rotation of one head by one warp; `out` may be `in`.
__device__ inline void rotateHead(const float* in, const float* norm, float epsilon, const float* cosines,
                                  const float* sines, int head_dim, float* out) {
    const int half = head_dim / 2;
    float scale = 1.0F;
    if (norm != nullptr) {
        float squares = 0.0F;
        for (int i = lane(); i < head_dim; i += kWarpLanes) squares = fmaf(in[i], in[i], squares);
        scale = 1.0F / sqrtf(warpSum(squares) / static_cast<float>(head_dim) + epsilon);
    }
    for (int i = lane(); i < half; i += kWarpLanes) {
        const float first = norm == nullptr ? in[i] : in[i] * scale * norm[i];
        const float second = norm == nullptr ? in[i + half] : in[i + half] * scale * norm[i + half];
        out[i] = first * cosines[i] - second * sines[i];
        out[i + half] = second * cosines[i] + first * sines[i];
    }
}

/// One row's key and value of one head into the cache, by one warp.
__device__ inline void storeKeyValue(const StepArguments& step, const DeviceLayer& layer, int row, int kv_head) {
    const StepInput input(step);
    const StepRow& place = input.row(row);
    const int head_dim = step.head_dim;
    const std::int64_t from = (static_cast<std::int64_t>(row) * step.kv_heads + kv_head) * head_dim;
    const std::int64_t to = input.cacheOffset(place, place.position, kv_head);
    rotateHead(step.keys + from, layer.k_norm, step.norm_epsilon, input.cosines(row), input.sines(row), head_dim,
               layer.keys + to);
    for (int i = lane(); i < head_dim; i += kWarpLanes) layer.values[to + i] = step.values[from + i];
}

__device__ inline void storeKeyValues(const StepArguments& step, const DeviceLayer& layer) {
    const int tasks = StepInput(step).rows() * step.kv_heads;
    for (int task = firstWarpTask(); task < tasks; task += warpTasksAtOnce())
        storeKeyValue(step, layer, task / step.kv_heads, task % step.kv_heads);
}

/// How the positions 0 … position of a sequence are cut: by the position alone, so that a row's sums never depend on
/// other rows.
struct AttentionCut {
    int part_tokens;
    int parts;

    __device__ explicit AttentionCut(int position) {
        const int tiles = position / kAttentionTile + 1;
        part_tokens = (tiles + kMaxAttentionParts - 1) / kMaxAttentionParts * kAttentionTile;
        parts = position / part_tokens + 1;
    }
};

/// Shared memory of attention. `group` query heads share a key-value head.
struct AttentionTile {
    int group;
    int head_dim;
    int key_stride;  // of a token's key, so that neighbouring tokens lie in different banks
    float* queries;  // (group, key_stride)
    float* keys;     // (kAttentionTile, key_stride)
    float* values;   // (kAttentionTile, head_dim)
    float* scores;   // (group, kAttentionTile), then shares
    float* sums;     // (group, head_dim)
    float* highest;  // (group)
    float* rescale;  // (group)
    float* totals;   // (group)
    std::int32_t* is_last;

    __host__ __device__ AttentionTile(SharedArrays& shared, int query_group, int dimensions)
        : group(query_group),
          head_dim(dimensions),
          key_stride((dimensions + 3) / 4 * 4 + 4),
          queries(shared.take<float>(static_cast<std::int64_t>(group) * key_stride)),
          keys(shared.take<float>(static_cast<std::int64_t>(kAttentionTile) * key_stride)),
          values(shared.take<float>(static_cast<std::int64_t>(kAttentionTile) * head_dim)),
          scores(shared.take<float>(static_cast<std::int64_t>(group) * kAttentionTile)),
          sums(shared.take<float>(static_cast<std::int64_t>(group) * head_dim)),
          highest(shared.take<float>(group)),
          rescale(shared.take<float>(group)),
          totals(shared.take<float>(group)),
          is_last(shared.take<std::int32_t>(1)) {}
};

/// Keys and values of tokens [first, first + count) into the tile. Dimensions beyond head_dim are zero.
__device__ inline void loadKeysAndValues(const StepArguments& step, const DeviceLayer& layer, const StepRow& place,
                                         int kv_head, int first, int count, const AttentionTile& tile) {
    const StepInput input(step);
    for (int token = warpOfBlock(); token < count; token += warpsOfBlock()) {
        const std::int64_t from = input.cacheOffset(place, first + token, kv_head);
        for (int i = lane(); i < tile.key_stride; i += kWarpLanes)
            tile.keys[token * tile.key_stride + i] = i < tile.head_dim ? layer.keys[from + i] : 0.0F;
        for (int i = lane(); i < tile.head_dim; i += kWarpLanes)
            tile.values[token * tile.head_dim + i] = layer.values[from + i];
    }
}

__device__ inline void scoreTile(const AttentionTile& tile, int count) {
    const float scale = 1.0F / sqrtf(static_cast<float>(tile.head_dim));
    for (int pair = static_cast<int>(threadIdx.x); pair < tile.group * kAttentionTile;
         pair += static_cast<int>(blockDim.x)) {
        const int token = pair % kAttentionTile;
        if (token >= count) continue;
        const auto* query = reinterpret_cast<const float4*>(tile.queries + pair / kAttentionTile * tile.key_stride);
        const auto* key = reinterpret_cast<const float4*>(tile.keys + token * tile.key_stride);
        float x = 0.0F, y = 0.0F, z = 0.0F, w = 0.0F;
        for (int i = 0; i < tile.key_stride / 4; ++i) {
            const float4 a = query[i];
            const float4 b = key[i];
            x = fmaf(a.x, b.x, x);
            y = fmaf(a.y, b.y, y);
            z = fmaf(a.z, b.z, z);
            w = fmaf(a.w, b.w, w);
        }
        tile.scores[pair] = ((x + y) + (z + w)) * scale;
    }
}

/// Scores become shares of the highest score so far; a warp takes a head.
__device__ inline void shareTile(const AttentionTile& tile, int count) {
    for (int head = warpOfBlock(); head < tile.group; head += warpsOfBlock()) {
        float* scores = tile.scores + head * kAttentionTile;
        const float before = tile.highest[head];
        float highest = before;
        for (int token = lane(); token < count; token += kWarpLanes) highest = larger(highest, scores[token]);
        highest = warpMaximum(highest);
        float total = 0.0F;
        for (int token = lane(); token < count; token += kWarpLanes) {
            scores[token] = exponential(scores[token] - highest);
            total += scores[token];
        }
        total = warpSum(total);
        __syncwarp();
        if (lane() == 0) {
            const float rescale = exponential(before - highest);
            tile.highest[head] = highest;
            tile.rescale[head] = rescale;
            tile.totals[head] = tile.totals[head] * rescale + total;
        }
    }
}

__device__ inline void addValues(const AttentionTile& tile, int count) {
    for (int pair = static_cast<int>(threadIdx.x); pair < tile.group * tile.head_dim;
         pair += static_cast<int>(blockDim.x)) {
        const int head = pair / tile.head_dim;
        const float* values = tile.values + pair % tile.head_dim;
        const float* shares = tile.scores + head * kAttentionTile;
        float sum = tile.sums[pair] * tile.rescale[head];
        for (int token = 0; token < count; ++token) sum = fmaf(shares[token], values[token * tile.head_dim], sum);
        tile.sums[pair] = sum;
    }
}

/// A row's attention on one key-value head, and where its parts are put away until all are there.
struct AttentionTask {
    int row;
    int kv_head;
    int slot;

    __device__ float* part(const StepArguments& step, const AttentionTile& tile, int head, int index) const {
        const std::int64_t at = (static_cast<std::int64_t>(slot) * tile.group + head) * kMaxAttentionParts + index;
        return step.attention_parts + at * (tile.head_dim + 2);
    }
};

/// Makes one output of the parts, in their order.
__device__ inline void joinParts(const StepArguments& step, const AttentionTask& task, int parts,
                                 const AttentionTile& tile) {
    const int width = tile.head_dim + 2;
    for (int pair = static_cast<int>(threadIdx.x); pair < tile.group * tile.head_dim;
         pair += static_cast<int>(blockDim.x)) {
        const int head = pair / tile.head_dim;
        const int i = pair % tile.head_dim;
        const float* first = task.part(step, tile, head, 0);
        float highest = first[tile.head_dim];
        for (int part = 1; part < parts; ++part) highest = larger(highest, first[part * width + tile.head_dim]);
        float total = 0.0F;
        float sum = 0.0F;
        for (int part = 0; part < parts; ++part) {
            const float* values = first + part * width;
            const float share = exponential(values[tile.head_dim] - highest);
            total = fmaf(share, values[tile.head_dim + 1], total);
            sum = fmaf(share, values[i], sum);
        }
        const std::int64_t at = static_cast<std::int64_t>(task.row) * step.heads + task.kv_head * tile.group + head;
        step.attended[at * tile.head_dim + i] = sum / total;
    }
}

/// Puts away what a block has computed of one part.
__device__ inline void keepPart(const StepArguments& step, const AttentionTask& task, int part,
                                const AttentionTile& tile) {
    const int width = tile.head_dim + 2;
    for (int pair = static_cast<int>(threadIdx.x); pair < tile.group * width; pair += static_cast<int>(blockDim.x)) {
        const int head = pair / width;
        const int i = pair % width;
        const float value = i < tile.head_dim    ? tile.sums[head * tile.head_dim + i]
                            : i == tile.head_dim ? tile.highest[head]
                                                 : tile.totals[head];
        task.part(step, tile, head, part)[i] = value;
    }
}

/// Whether this block is the last one that puts away a part of the task; the parts of the others are seen then.
__device__ inline bool isLastPart(const StepArguments& step, const AttentionTask& task, int parts,
                                  const AttentionTile& tile) {
    std::uint32_t& done = step.parts_done[task.row * step.kv_heads + task.kv_head];
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        *tile.is_last = atomicAdd(&done, 1U) + 1U == static_cast<std::uint32_t>(parts) ? 1 : 0;
        __threadfence();
        if (*tile.is_last != 0) done = 0;
    }
    __syncthreads();
    return *tile.is_last != 0;
}

/// One part of a task, by a block.
__device__ inline void attendPart(const StepArguments& step, const DeviceLayer& layer, const AttentionTask& task,
                                  int part, const AttentionTile& tile) {
    const StepInput input(step);
    const int row = task.row;
    const int kv_head = task.kv_head;
    const StepRow& place = input.row(row);
    const AttentionCut cut(place.position);
    const int begin = part * cut.part_tokens;
    const int end = begin + cut.part_tokens <= place.position ? begin + cut.part_tokens : place.position + 1;
    __syncthreads();  // the shared memory of the task before is used no more
    for (int head = warpOfBlock(); head < tile.group; head += warpsOfBlock()) {
        const std::int64_t at = static_cast<std::int64_t>(row) * step.heads + kv_head * tile.group + head;
        float* query = tile.queries + head * tile.key_stride;
        rotateHead(step.queries + at * tile.head_dim, layer.q_norm, step.norm_epsilon, input.cosines(row),
                   input.sines(row), tile.head_dim, query);
        for (int i = tile.head_dim + lane(); i < tile.key_stride; i += kWarpLanes) query[i] = 0.0F;
        if (lane() == 0) {
            tile.highest[head] = -INFINITY;
            tile.totals[head] = 0.0F;
        }
    }
    for (int i = static_cast<int>(threadIdx.x); i < tile.group * tile.head_dim; i += static_cast<int>(blockDim.x))
        tile.sums[i] = 0.0F;
    if (input.independentRows() && end == place.position + 1 && warpOfBlock() == 0)
        storeKeyValue(step, layer, row, kv_head);
    for (int first = begin; first < end; first += kAttentionTile) {
        const int count = end - first < kAttentionTile ? end - first : kAttentionTile;
        __syncthreads();
        loadKeysAndValues(step, layer, place, kv_head, first, count, tile);
        __syncthreads();
        scoreTile(tile, count);
        __syncthreads();
        shareTile(tile, count);
        __syncthreads();
        addValues(tile, count);
    }
    __syncthreads();
    keepPart(step, task, part, tile);
}

/// Few tasks: a block takes a part, and the one that comes last to a task makes the output of all.
__device__ inline void attendInParts(const StepArguments& step, const DeviceLayer& layer, int tasks,
                                     const AttentionTile& tile) {
    const StepInput input(step);
    for (int index = static_cast<int>(blockIdx.x); index < tasks * kMaxAttentionParts;
         index += static_cast<int>(gridDim.x)) {
        const int slot = index / kMaxAttentionParts;
        const int part = index % kMaxAttentionParts;
        const AttentionTask task{slot / step.kv_heads, slot % step.kv_heads, slot};
        const AttentionCut cut(input.row(task.row).position);
        if (part >= cut.parts) continue;
        attendPart(step, layer, task, part, tile);
        if (isLastPart(step, task, cut.parts, tile)) joinParts(step, task, cut.parts, tile);
    }
}

/// Many tasks keep all blocks busy as they are: a block takes all parts of one, and needs room for one only.
__device__ inline void attendWhole(const StepArguments& step, const DeviceLayer& layer, int tasks,
                                   const AttentionTile& tile) {
    const StepInput input(step);
    const auto block = static_cast<int>(blockIdx.x);
    for (int index = block; index < tasks; index += static_cast<int>(gridDim.x)) {
        const AttentionTask task{index / step.kv_heads, index % step.kv_heads, block};
        const AttentionCut cut(input.row(task.row).position);
        for (int part = 0; part < cut.parts; ++part) attendPart(step, layer, task, part, tile);
        __syncthreads();
        joinParts(step, task, cut.parts, tile);
    }
}

/// The bits are the same either way: a task is always cut alike, and its parts are joined in their order.
__device__ MIXO_NOT_INLINE void attend(const StepArguments& step, const DeviceLayer& layer, const AttentionTile& tile) {
    const int tasks = StepInput(step).rows() * step.kv_heads;
    if (tasks <= step.attention_slots) {
        attendInParts(step, layer, tasks, tile);
    } else {
        attendWhole(step, layer, tasks, tile);
    }
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
