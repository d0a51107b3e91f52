// The SIMD parts of the CPU back end: each works on one row, one head or one block, on the calling thread. How they are
// shared out among threads is decided in the files of the Backend's operations.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/types.h"

namespace mixoscope::kernels::cpu {

/// out[i] = element i of `in` as f32.
void convertRow(const void* in, DataType type, std::span<float> out);

/// out = in / sqrt(mean(in²) + epsilon) * weight; `out` may be `in`.
void normaliseRow(const float* in, std::span<const float> weight, float epsilon, float* out);

/// gate[i] = gate[i] / (1 + exp(−gate[i])) * up[i]; the result of an element does not depend on its index.
void siluMultiply(float* gate, const float* up, std::int64_t count);

/// sum[i] += weight * in[i]
void addWeighted(const float* in, float weight, float* sum, std::int64_t count);

/// Rotates one head: pairs (head[i], head[i + half]) by the angle with the given cosine and sine, half =
/// cosines.size().
void rotateHead(float* head, std::span<const float> cosines, std::span<const float> sines);

/// A softmax-weighted sum over some positions, unfinished, for the heads that share a key/value head.
struct AttentionSums {
    float* maxima = nullptr;   // (group) largest score so far
    float* weights = nullptr;  // (group) Σ exp(score − maximum)
    float* values = nullptr;   // (group, head_dim) Σ exp(score − maximum) · value
};

/// What the heads of one key/value head in one row attend with.
struct AttentionHeads {
    const float* queries = nullptr;  // (group, head_dim)
    std::int64_t group = 0;
    std::int64_t kv_head = 0;
    float scale = 0.0F;
};

/// Attends to positions [first, end), page by page; `first` begins a page. Overwrites `sums`.
void attendSpan(const AttentionHeads& heads, const KvLayer& cache, std::span<const std::int32_t> pages,
                std::int64_t first, std::int64_t end, const AttentionSums& sums);

/// Empties `sums`.
void clearSums(const AttentionSums& sums, std::int64_t group, std::int64_t head_dim);

/// total += part
void mergeSums(const AttentionSums& part, std::int64_t group, std::int64_t head_dim, const AttentionSums& total);

/// out = values / weights, (group, head_dim)
void finishSums(const AttentionSums& sums, std::int64_t group, std::int64_t head_dim, float* out);

}  // namespace mixoscope::kernels::cpu
