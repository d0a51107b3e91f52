// From a row's router logits to its experts and weights, with the bits of kernels/router.h: the softmax's sum is taken
// in the order of the experts, that of the weights in rank order, both in f64.
#pragma once

#include "kernels/cuda/step_input.cuh"
#include "kernels/cuda/thread_block.cuh"
#include "kernels/exponential.h"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

/// Shared memory of the choice.
struct RouterTile {
    float* logits;         // (experts)
    float* probabilities;  // (experts)
    float* warp_highest;   // (kWarpLanes) of each warp
    double* sum;           // (1)
    std::int32_t* ids;     // (slots)
    float* weights;        // (slots)

    __host__ __device__ RouterTile(SharedArrays& shared, int experts, int slots)
        : logits(shared.take<float>(experts)),
          probabilities(shared.take<float>(experts)),
          warp_highest(shared.take<float>(kWarpLanes)),
          sum(shared.take<double>(1)),
          ids(shared.take<std::int32_t>(slots)),
          weights(shared.take<float>(slots)) {}
};

/// The likeliest logit, NaN left out; −∞ if there is none. All threads take part.
__device__ inline float highestLogit(const RouterTile& tile, int experts) {
    float highest = -INFINITY;
    for (int expert = static_cast<int>(threadIdx.x); expert < experts; expert += static_cast<int>(blockDim.x))
        highest = larger(highest, tile.logits[expert]);
    highest = warpMaximum(highest);
    if (lane() == 0) tile.warp_highest[warpOfBlock()] = highest;
    __syncthreads();
    for (int warp = 0; warp < warpsOfBlock(); ++warp) highest = larger(highest, tile.warp_highest[warp]);
    return highest;
}

__device__ inline void softmax(const RouterTile& tile, int experts) {
    const float highest = highestLogit(tile, experts);
    for (int expert = static_cast<int>(threadIdx.x); expert < experts; expert += static_cast<int>(blockDim.x)) {
        const float logit = tile.logits[expert];
        const bool nothing = logit != logit || highest == -INFINITY;
        // Equality comes first so that infinities share the probability instead of making NaN of their difference.
        tile.probabilities[expert] = nothing ? 0.0F : logit == highest ? 1.0F : exponential(logit - highest);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        double sum = 0.0;
        for (int expert = 0; expert < experts; ++expert) sum += static_cast<double>(tile.probabilities[expert]);
        *tile.sum = sum;
    }
    __syncthreads();
    const double sum = *tile.sum;
    if (sum == 0.0) return;
    for (int expert = static_cast<int>(threadIdx.x); expert < experts; expert += static_cast<int>(blockDim.x))
        tile.probabilities[expert] = static_cast<float>(static_cast<double>(tile.probabilities[expert]) / sum);
}

/// An expert's place among all: the likelier, then the lower id come first.
__device__ inline int rankOf(const float* probabilities, int expert, int experts) {
    const float own = probabilities[expert];
    int rank = 0;
    for (int other = 0; other < experts; ++other) {
        const float probability = probabilities[other];
        rank += probability > own || (probability == own && other < expert) ? 1 : 0;
    }
    return rank;
}

/// Weights of the first `count` ids; one thread.
__device__ inline void weigh(const RouterTile& tile, int count, bool renormalise) {
    double sum = 0.0;
    for (int slot = 0; slot < count; ++slot) {
        tile.weights[slot] = tile.probabilities[tile.ids[slot]];
        sum += static_cast<double>(tile.weights[slot]);
    }
    if (!renormalise || !(sum > 0.0)) return;
    for (int slot = 0; slot < count; ++slot)
        tile.weights[slot] = static_cast<float>(static_cast<double>(tile.weights[slot]) / sum);
}

__device__ inline void traceRow(const StepArguments& step, int row, int moe_layer, const RouterTile& tile) {
    const std::int64_t at = static_cast<std::int64_t>(row) * step.moe_layers + moe_layer;
    for (int slot = static_cast<int>(threadIdx.x); slot < step.slots; slot += static_cast<int>(blockDim.x)) {
        step.trace_ids[at * step.slots + slot] = static_cast<std::int16_t>(tile.ids[slot]);
        step.trace_weights[at * step.slots + slot] = tile.weights[slot];
    }
    for (int expert = static_cast<int>(threadIdx.x); expert < step.experts; expert += static_cast<int>(blockDim.x)) {
        step.trace_logits[at * step.experts + expert] = tile.logits[expert];
        step.trace_probabilities[at * step.experts + expert] = tile.probabilities[expert];
    }
}

/// One row, by a block.
__device__ inline void routeRow(const StepArguments& step, int row, int moe_layer, const RouterTile& tile) {
    const RowSelection selection = StepInput(step).selection(row, moe_layer);
    const int count = selection.count < step.experts ? selection.count : step.experts;
    __syncthreads();  // the row before is used no more
    for (int expert = static_cast<int>(threadIdx.x); expert < step.experts; expert += static_cast<int>(blockDim.x))
        tile.logits[expert] = step.router_logits[static_cast<std::int64_t>(row) * step.experts + expert];
    for (int slot = static_cast<int>(threadIdx.x); slot < step.slots; slot += static_cast<int>(blockDim.x)) {
        tile.ids[slot] = -1;
        tile.weights[slot] = 0.0F;
    }
    __syncthreads();
    softmax(tile, step.experts);
    __syncthreads();
    for (int expert = static_cast<int>(threadIdx.x); expert < step.experts; expert += static_cast<int>(blockDim.x)) {
        const int rank = rankOf(tile.probabilities, expert, step.experts);
        if (rank < count) tile.ids[rank] = expert;
    }
    __syncthreads();
    if (threadIdx.x == 0) weigh(tile, count, selection.renormalise != 0);
    __syncthreads();
    for (int slot = static_cast<int>(threadIdx.x); slot < step.slots; slot += static_cast<int>(blockDim.x)) {
        const std::int64_t at = static_cast<std::int64_t>(row) * step.slots + slot;
        step.expert_ids[at] = tile.ids[slot];
        step.expert_weights[at] = tile.weights[slot];
    }
    if (step.trace_ids != nullptr) traceRow(step, row, moe_layer, tile);
}

__device__ MIXO_NOT_INLINE void route(const StepArguments& step, const DeviceLayer& layer, const RouterTile& tile) {
    const int rows = StepInput(step).rows();
    for (int row = static_cast<int>(blockIdx.x); row < rows; row += static_cast<int>(gridDim.x))
        routeRow(step, row, layer.moe_layer, tile);
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
