// Buffers of one forward step, allocated once for the largest step; a smaller step uses their beginning.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/routing_rule.h"
#include "kernels/types.h"

namespace mixoscope {

/// The largest step that is to be computed.
struct ForwardLimits {
    std::int64_t rows = 1;        // tokens in one step
    std::int64_t logit_rows = 1;  // rows of a step whose logits are wanted
    std::int64_t slots = 0;       // experts that a row can get; 0: the model's num_experts_per_tok

    bool operator==(const ForwardLimits&) const = default;
};

/// A buffer of a step: rows × columns values of 4 bytes.
struct ActivationBuffer {
    std::string_view name;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t bytes() const { return rows * columns * 4; }
};

/// The buffers that a step needs, in the order of ActivationId; the memory plan lists the very same.
std::vector<ActivationBuffer> activationBuffers(const ModelConfig& config, const ForwardLimits& limits);

class Activations {
public:
    Activations(const ModelConfig& config, const ForwardLimits& limits);

    const ForwardLimits& limits() const { return m_limits; }

    // Each with `count` rows, of the width in its comment.
    kernels::RowsOut hidden(std::int64_t count) const { return rows(0, count); }         // hidden_size
    kernels::RowsOut normed(std::int64_t count) const { return rows(1, count); }         // hidden_size
    kernels::RowsOut queries(std::int64_t count) const { return rows(2, count); }        // heads * head_dim
    kernels::RowsOut keys(std::int64_t count) const { return rows(3, count); }           // kv_heads * head_dim
    kernels::RowsOut values(std::int64_t count) const { return rows(4, count); }         // kv_heads * head_dim
    kernels::RowsOut attended(std::int64_t count) const { return rows(5, count); }       // heads * head_dim
    kernels::RowsOut router(std::int64_t count) const { return rows(6, count); }         // num_experts, logits
    kernels::RowsOut probabilities(std::int64_t count) const { return rows(7, count); }  // num_experts
    kernels::RowsOut weights(std::int64_t count) const { return rows(8, count); }        // slots
    kernels::RowsOut last(std::int64_t count) const { return rows(9, count); }           // hidden_size
    kernels::RowsOut logits(std::int64_t count) const { return rows(10, count); }        // vocab_size

    std::span<std::int32_t> expertIds() { return m_expert_ids; }            // (rows, slots)
    std::span<std::int32_t> tokens() { return m_tokens; }                   // (rows)
    std::span<kernels::SequencePosition> sequence() { return m_sequence; }  // (rows)
    std::span<RoutedRow> routedRows() { return m_routed_rows; }             // (rows)

private:
    kernels::RowsOut rows(std::size_t buffer, std::int64_t count) const;

    struct Free {
        void operator()(float* data) const { std::free(data); }
    };
    ForwardLimits m_limits;
    std::vector<ActivationBuffer> m_buffers;
    std::vector<std::int64_t> m_offsets;  // of each buffer in m_data
    std::unique_ptr<float[], Free> m_data;
    std::vector<std::int32_t> m_expert_ids;
    std::vector<std::int32_t> m_tokens;
    std::vector<kernels::SequencePosition> m_sequence;
    std::vector<RoutedRow> m_routed_rows;
};

}  // namespace mixoscope
