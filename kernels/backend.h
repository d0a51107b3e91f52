// The table of fused operations that every back end (reference, cpu, later cuda) fills, so that the forward pass is
// written once.
//
// Rules for every operation:
//  - Batch invariance: a row's result has the same bits whatever other rows are in the call, however many threads run,
//    and whichever chunking fed them. The order of summation depends on the shape of one row only.
//  - Arrays do not alias unless the operation says so. Accumulation is in f32 (reference: f64 where it says so).
//  - Nothing is allocated that grows with the number of calls; workspace is kept between calls.
//  - One call at a time per Backend object. Shapes are asserted, never thrown: the engine has checked them.
#pragma once

#include "kernels/types.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace mixoscope::kernels {

enum class Accumulate : std::uint8_t { kOverwrite, kAdd };
enum class Renormalise : std::uint8_t { kNo, kYes };

/// Inputs of the QK-norm + RoPE + KV-store step of one layer.
struct QueryKeyArguments {
    RowsOut queries;                        // (rows, heads * head_dim), normed and rotated in place
    RowsIn keys;                            // (rows, kv_heads * head_dim)
    RowsIn values;                          // (rows, kv_heads * head_dim)
    std::span<const float> query_norm;      // (head_dim), empty: no QK-norm
    std::span<const float> key_norm;        // (head_dim), empty: no QK-norm
    float norm_epsilon = 1e-6F;
    std::span<const float> inverse_frequencies;  // (head_dim / 2), YaRN already applied
    float attention_scaling = 1.0F;         // YaRN's factor on cos and sin, 1 without YaRN
    KvLayer cache;                          // receives each row's rotated key and its value
    std::span<const SequencePosition> sequence;  // (rows)
    std::int64_t heads = 0;
};

/// One of the products that share an input; the fields are those of Backend::matmul().
struct Product {
    Matrix w;
    std::span<const float> bias;
    Accumulate mode = Accumulate::kOverwrite;
    RowsOut out;
};

class Backend {
public:
    virtual ~Backend() = default;
    /// Name with the instruction set chosen at run time, e.g. "cpu (AVX2, 2 threads)".
    virtual std::string_view name() const = 0;

    /// out[i] = table[ids[i]]; ids are within the table.
    virtual void embed(Matrix table, std::span<const std::int32_t> ids, RowsOut out) = 0;

    /// out = in / sqrt(mean(in²) + epsilon) * weight, per row. `out` may be `in`.
    virtual void rmsNorm(RowsIn in, std::span<const float> weight, float epsilon, RowsOut out) = 0;

    /// out (rows, w.rows) = in (rows, w.columns) · wᵀ + bias; kAdd adds that to `out`. `bias` may be empty.
    virtual void matmul(RowsIn in, Matrix w, std::span<const float> bias, Accumulate mode, RowsOut out) = 0;

    /// matmul() of each product, with the same bits. One operation, so that threads or a device are handed work once.
    virtual void matmulEach(RowsIn in, std::span<const Product> products) {
        for (const Product& product : products) matmul(in, product.w, product.bias, product.mode, product.out);
    }

    /// Per head RMSNorm of queries and keys, rotary embedding in the half-split ("rotate_half") layout, keys and values
    /// written to the cache. Angles are position × inverse frequency, computed in f32 as the reference implementation does.
    virtual void queryKeyStore(const QueryKeyArguments& arguments) = 0;

    /// Causal grouped-query attention of each row over its own positions 0 … position, softmax(q·k / sqrt(head_dim)) v.
    ///   queries, out  (rows, heads * head_dim)
    virtual void attention(RowsIn queries, KvLayer cache, std::span<const SequencePosition> sequence, std::int64_t heads,
                           RowsOut out) = 0;

    /// Dense SwiGLU: hidden (rows, intermediate) = silu(in · gateᵀ) * (in · upᵀ); out += hidden · downᵀ.
    virtual void swiglu(RowsIn in, const ExpertMatrices& weights, RowsOut out) = 0;

    /// probabilities = softmax(logits) per row in f32. A row with a NaN logit ranks NaN last and gives it probability 0.
    virtual void routerProbabilities(RowsIn logits, RowsOut probabilities) = 0;

    /// Mixture of experts: out[row] += Σ_slot weight · down(silu(gate x) * up x), slots summed in ascending slot order.
    ///   experts  all experts of the layer; choice.ids within it or −1
    virtual void experts(RowsIn in, std::span<const ExpertMatrices> experts, ExpertChoice choice, RowsOut out) = 0;
};

/// Plain scalar loops with f64 accumulation, single-threaded: the oracle of the tests and `--backend reference`.
std::unique_ptr<Backend> makeReferenceBackend();

/// SIMD kernels dispatched at run time over a pool of `threads` threads (0: one per core that this process may use).
std::unique_ptr<Backend> makeCpuBackend(int threads);

}  // namespace mixoscope::kernels
