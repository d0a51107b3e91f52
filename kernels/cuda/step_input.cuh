// Reading the block of a step's input.
#pragma once

#include "kernels/cuda/language.h"
#include "kernels/cuda/step.h"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

class StepInput {
public:
    __device__ explicit StepInput(const StepArguments& step)
        : m_base(step.input), m_header(reinterpret_cast<const StepHeader*>(step.input)), m_step(step) {}

    __device__ int rows() const { return m_header->rows; }
    __device__ int logitRows() const { return m_header->logit_rows; }
    __device__ bool independentRows() const { return m_header->independent_rows != 0; }
    __device__ const StepRow& row(int index) const { return array<StepRow>(m_header->rows_at)[index]; }
    __device__ const std::int32_t* wantedRows() const { return array<std::int32_t>(m_header->logit_rows_at); }
    __device__ RowSelection selection(int row, int moe_layer) const {
        return array<RowSelection>(m_header->selection_at)[row * m_step.moe_layers + moe_layer];
    }
    __device__ const float* cosines(int row) const {
        return array<float>(m_header->rotary_at) + static_cast<std::int64_t>(row) * m_step.head_dim;
    }
    __device__ const float* sines(int row) const { return cosines(row) + m_step.head_dim / 2; }
    /// Where position `position` of the row's sequence lies in a layer's keys and values, for a key-value head.
    __device__ std::int64_t cacheOffset(const StepRow& row, int position, int kv_head) const {
        constexpr auto kTokens = static_cast<int>(kKvPageTokens);
        const std::int64_t page = array<std::int32_t>(m_header->pages_at)[row.first_page + position / kTokens];
        return ((page * m_step.kv_heads + kv_head) * kTokens + position % kTokens) * m_step.head_dim;
    }

private:
    template <typename T>
    __device__ const T* array(std::int32_t at) const {
        return reinterpret_cast<const T*>(m_base + at);
    }
    const std::byte* m_base;
    const StepHeader* m_header;
    const StepArguments& m_step;
};

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
