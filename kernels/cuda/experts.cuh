// The experts' feed-forward: what rows have chosen is grouped by expert, so that an expert's weights are read once for
// all rows of a tile that have it. An entry is one row's slot; its dot products do not depend on the others, and a
// row's entries are summed in the order of its slots.
#pragma once

#include "kernels/cuda/projection.cuh"
#include "kernels/cuda/step_input.cuh"
#include "kernels/exponential.h"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

/// Shared memory for the entries of a tile of rows.
struct EntryGroups {
    std::int32_t* ids;     // (entries) expert of an entry, −1: none
    std::int32_t* first;   // (entries) first entry with the same expert
    std::int32_t* sorted;  // (entries) those that run, by group
    std::int32_t* begins;  // (entries + 1) of each group in `sorted`
    std::int32_t* count;   // (1) groups

    __host__ __device__ EntryGroups(SharedArrays& shared, int capacity)
        : ids(shared.take<std::int32_t>(capacity)),
          first(shared.take<std::int32_t>(capacity)),
          sorted(shared.take<std::int32_t>(capacity)),
          begins(shared.take<std::int32_t>(capacity + 1)),
          count(shared.take<std::int32_t>(1)) {}
};

/// What the experts of a layer are applied to. A dense layer is one expert of weight 1 for every row.
struct LayerChoice {
    const std::int32_t* ids;  // (rows, slots), null: a dense layer
    const float* weights;     // (rows, slots)
    int slots;

    __device__ LayerChoice(const StepArguments& step, const DeviceLayer& layer)
        : ids(layer.moe_layer < 0 ? nullptr : step.expert_ids),
          weights(layer.moe_layer < 0 ? nullptr : step.expert_weights),
          slots(layer.moe_layer < 0 ? 1 : step.slots) {}
    __device__ int id(int entry) const { return ids == nullptr ? 0 : ids[entry]; }
    __device__ float weight(int entry) const { return weights == nullptr ? 1.0F : weights[entry]; }
};

/// Groups the entries of rows [first_row, first_row + rows). All threads take part and wait for one another.
__device__ inline void groupEntries(const LayerChoice& choice, int first_row, int rows, const EntryGroups& groups) {
    const int entries = rows * choice.slots;
    const int begin = first_row * choice.slots;
    const int thread = static_cast<int>(threadIdx.x);
    const int threads = static_cast<int>(blockDim.x);
    __syncthreads();  // the groups before are used no more
    for (int entry = thread; entry < entries; entry += threads) groups.ids[entry] = choice.id(begin + entry);
    if (thread == 0) *groups.count = 0;
    __syncthreads();
    for (int entry = thread; entry < entries; entry += threads) {
        int first = 0;
        while (groups.ids[first] != groups.ids[entry]) ++first;
        groups.first[entry] = groups.ids[entry] < 0 ? entries : first;  // those that don't run come last
    }
    __syncthreads();
    for (int entry = thread; entry < entries; entry += threads) {
        const int first = groups.first[entry];
        if (first == entries) continue;
        int place = 0;
        int group = 0;
        int last_group = 1;
        for (int other = 0; other < entries; ++other) {
            const int other_first = groups.first[other];
            if (other_first < first || (other_first == first && other < entry)) ++place;
            if (other_first == other && other < first) ++group;
            if (other_first == other && other > first) last_group = 0;
        }
        groups.sorted[place] = entry;
        if (first == entry) groups.begins[group] = place;
        if (first == entry && last_group != 0) *groups.count = group + 1;
    }
    __syncthreads();
    if (thread == 0 && *groups.count > 0) {
        int running = 0;
        for (int entry = 0; entry < entries; ++entry) running += groups.first[entry] < entries ? 1 : 0;
        groups.begins[*groups.count] = running;
    }
    __syncthreads();
}

/// Calls `work(entries, count)` with those of a group, kRowsAtOnce or fewer at a time.
template <typename Work>
__device__ inline void forEntries(const EntryGroups& groups, int group, const Work& work) {
    for (int begin = groups.begins[group]; begin < groups.begins[group + 1]; begin += kRowsAtOnce) {
        const int left = groups.begins[group + 1] - begin;
        work(groups.sorted + begin, left < kRowsAtOnce ? left : kRowsAtOnce);
    }
}

/// hidden[entry][output] of some entries of one expert, by a warp.
template <int kRows>
__device__ inline void gateUpOutput(const DeviceExpert& expert, int output, const RowTile& tile, int padded, int slots,
                                    const std::int32_t* entries, int count, float* hidden, int hidden_stride) {
    int offsets[kRows];
#pragma unroll
    for (int row = 0; row < kRows; ++row) offsets[row] = row < count ? entries[row] / slots * padded : 0;
    float gate[kRows];
    float up[kRows];
    dotRows(expert.gate, output, tile.values, offsets, count, gate);
    dotRows(expert.up, output, tile.values, offsets, count, up);
    if (lane() != 0) return;
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
        if (row >= count) break;
        hidden[static_cast<std::int64_t>(entries[row]) * hidden_stride + output] =
            gate[row] / (1.0F + exponential(-gate[row])) * up[row];
    }
}

__device__ inline int rowsOfEntries(const StepArguments& step, int slots) {
    const int rows = step.entry_capacity / slots;
    return rows < step.row_tile ? rows : step.row_tile;
}

__device__ MIXO_NOT_INLINE void gateUp(const StepArguments& step, const DeviceLayer& layer, const RowTile& tile,
                                       const EntryGroups& groups) {
    const LayerChoice choice(step, layer);
    const int rows = StepInput(step).rows();
    const int at_once = rowsOfEntries(step, choice.slots);
    const int padded = paddedColumns(step.hidden_size);
    const int outputs = paddedColumns(layer.intermediate);
    const ProjectionInput in{step.hidden, step.hidden_size,          step.hidden_size, rows,
                             nullptr,     layer.post_attention_norm, step.norm_epsilon};
    for (int first = 0; first < rows; first += at_once) {
        const int count = rows - first < at_once ? rows - first : at_once;
        loadTile(in, first, count, tile);
        groupEntries(choice, first, count, groups);
        float* hidden = step.expert_hidden + static_cast<std::int64_t>(first) * choice.slots * outputs;
        for (int task = firstWarpTask(); task < *groups.count * outputs; task += warpTasksAtOnce()) {
            const int group = task / outputs;
            const int output = task % outputs;
            const DeviceExpert& expert = layer.experts[groups.ids[groups.sorted[groups.begins[group]]]];
            forEntries(groups, group, [&](const std::int32_t* entries, int entry_count) {
                if (output >= layer.intermediate) {  // the padding
                    if (lane() < entry_count)
                        hidden[static_cast<std::int64_t>(entries[lane()]) * outputs + output] = 0.0F;
                } else if (entry_count == 1) {
                    gateUpOutput<1>(expert, output, tile, padded, choice.slots, entries, 1, hidden, outputs);
                } else {
                    gateUpOutput<kRowsAtOnce>(expert, output, tile, padded, choice.slots, entries, entry_count, hidden,
                                              outputs);
                }
            });
        }
    }
}

/// results[entry] = output `output` of one expert's down projection, by a warp.
template <int kRows>
__device__ inline void downOutput(const DeviceExpert& expert, int output, const float* hidden, int hidden_stride,
                                  const std::int32_t* entries, int count, float* results) {
    int offsets[kRows];
#pragma unroll
    for (int row = 0; row < kRows; ++row) offsets[row] = row < count ? entries[row] * hidden_stride : 0;
    float sums[kRows];
    dotRows(expert.down, output, hidden, offsets, count, sums);
    if (lane() != 0) return;
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
        if (row < count) results[entries[row]] = sums[row];
    }
}

__device__ MIXO_NOT_INLINE void down(const StepArguments& step, const DeviceLayer& layer, const EntryGroups& groups,
                                     float* results_of_block) {
    const LayerChoice choice(step, layer);
    const int rows = StepInput(step).rows();
    const int at_once = rowsOfEntries(step, choice.slots);
    const int stride = paddedColumns(layer.intermediate);
    float* results = results_of_block + warpOfBlock() * step.entry_capacity;
    for (int first = 0; first < rows; first += at_once) {
        const int count = rows - first < at_once ? rows - first : at_once;
        groupEntries(choice, first, count, groups);
        const float* hidden = step.expert_hidden + static_cast<std::int64_t>(first) * choice.slots * stride;
        for (int output = firstWarpTask(); output < step.hidden_size; output += warpTasksAtOnce()) {
            for (int group = 0; group < *groups.count; ++group) {
                const DeviceExpert& expert = layer.experts[groups.ids[groups.sorted[groups.begins[group]]]];
                forEntries(groups, group, [&](const std::int32_t* entries, int entry_count) {
                    if (entry_count == 1) {
                        downOutput<1>(expert, output, hidden, stride, entries, 1, results);
                    } else {
                        downOutput<kRowsAtOnce>(expert, output, hidden, stride, entries, entry_count, results);
                    }
                });
            }
            __syncwarp();
            for (int row = lane(); row < count; row += kWarpLanes) {
                float sum = 0.0F;
                for (int slot = 0; slot < choice.slots; ++slot) {
                    const int entry = row * choice.slots + slot;
                    if (groups.ids[entry] < 0) continue;
                    sum = fmaf(choice.weight(first * choice.slots + entry), results[entry], sum);
                }
                step.hidden[static_cast<std::int64_t>(first + row) * step.hidden_size + output] += sum;
            }
            __syncwarp();
        }
    }
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
