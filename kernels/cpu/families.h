// The operations of the CPU back end, one family a file: how each is cut into chunks for the pool. Chunks never change
// a result: an output is computed within one chunk, or its parts are added in an order that its row alone decides.
#pragma once

#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/thread_pool.h"

namespace mixoscope::kernels::cpu {

/// Whether work is large enough to be handed out: waking a thread costs several microseconds, about as long as it takes
/// one core to read the first or to multiply the second figure.
inline bool worthSharing(std::int64_t weight_bytes, std::int64_t multiply_adds) {
    constexpr std::int64_t kBytes = 256 * 1024;
    constexpr std::int64_t kMultiplyAdds = 512 * 1024;
    return weight_bytes > kBytes || multiply_adds > kMultiplyAdds;
}

/// Outputs of one chunk of a product of so many rows.
std::int64_t chunkOutputs(const Matrix& w, std::int64_t rows);

inline std::int64_t chunkCount(std::int64_t items, std::int64_t chunk) {
    return (items + chunk - 1) / chunk;
}

/// Memory that is kept between calls and only grows.
template <typename T>
class Workspace {
public:
    T* get(std::int64_t count) {
        if (static_cast<std::int64_t>(m_items.size()) < count) m_items.resize(static_cast<std::size_t>(count));
        return m_items.data();
    }

private:
    std::vector<T> m_items;
};

void embed(ThreadPool& pool, Matrix table, std::span<const std::int32_t> ids, RowsOut out);
void rmsNorm(ThreadPool& pool, RowsIn in, std::span<const float> weight, float epsilon, RowsOut out);

/// What products by tiles work on (kernels/cpu/amx.h); empty where there are none.
struct ProductsWorkspace {
    Workspace<std::uint32_t> packed;  // (rows) of the input
    Workspace<CacheLine> copies;      // (threads) a chunk of weights
};
void matmulEach(ThreadPool& pool, ProductsWorkspace& workspace, RowsIn in, std::span<const Product> products);
void routerProbabilities(RowsIn logits, RowsOut probabilities);

/// Cosines and sines of the rows of one step, computed in its first layer and used in all.
class RotaryAngles {
public:
    void prepare(ThreadPool& pool, const QueryKeyArguments& arguments);
    std::span<const float> cosines(std::int64_t row) const { return angles(m_cosines, row); }
    std::span<const float> sines(std::int64_t row) const { return angles(m_sines, row); }

private:
    bool holds(const QueryKeyArguments& arguments) const;
    std::span<const float> angles(const std::vector<float>& all, std::int64_t row) const {
        return std::span(all).subspan(static_cast<std::size_t>(row) * m_frequencies.size(), m_frequencies.size());
    }

    std::vector<std::int64_t> m_positions;
    std::vector<float> m_frequencies;
    float m_scaling = 0.0F;
    std::vector<float> m_cosines;  // (rows, head_dim / 2)
    std::vector<float> m_sines;
};
void queryKeyStore(ThreadPool& pool, RotaryAngles& angles, const QueryKeyArguments& arguments);

struct AttentionWorkspace {
    Workspace<float> threads;  // (threads, 2) sums
    Workspace<float> spans;    // (rows · kv_heads, spans) sums
};
void attention(ThreadPool& pool, AttentionWorkspace& workspace, RowsIn queries, const KvLayer& cache,
               std::span<const SequencePosition> sequence, std::int64_t heads, RowsOut out);

struct ExpertsWorkspace {
    Workspace<std::int64_t> ends;            // (experts + 1) where each expert's entries end
    Workspace<std::int32_t> active;          // (experts) experts that somebody chose, ascending
    Workspace<std::int64_t> entries;         // (rows · slots) what was chosen, by expert: row · slots + slot
    Workspace<std::int64_t> places;          // (rows · slots) inverse of entries, −1 where nothing was chosen
    Workspace<float> hidden;                 // (rows · slots, intermediate)
    Workspace<float> up;                     // (rows · slots, intermediate)
    Workspace<float> results;                // (rows · slots, hidden)
    Workspace<std::uint32_t> packed_in;      // (rows · slots) the input for tiles
    Workspace<std::uint32_t> packed_hidden;  // (rows · slots) hidden for tiles
    Workspace<CacheLine> copies;             // (threads) a chunk of weights for tiles
    Workspace<std::int32_t> zeros;           // (rows) the ids of a dense layer
    Workspace<float> ones;                   // (rows) its weights
};
void experts(ThreadPool& pool, ExpertsWorkspace& workspace, RowsIn in, std::span<const ExpertMatrices> experts,
             ExpertChoice choice, RowsOut out);
void swiglu(ThreadPool& pool, ExpertsWorkspace& workspace, RowsIn in, const ExpertMatrices& weights, RowsOut out);

}  // namespace mixoscope::kernels::cpu
