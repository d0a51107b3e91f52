#include "engine/activations.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kAlignedFloats = 16;  // 64 bytes: a cache line, and the widest SIMD register

std::int64_t slotsOf(const ModelConfig& config, const ForwardLimits& limits) {
    return limits.slots > 0 ? limits.slots : config.num_experts_per_tok;
}

std::int64_t roundUp(std::int64_t floats) {
    return (floats + kAlignedFloats - 1) / kAlignedFloats * kAlignedFloats;
}

}  // namespace

std::vector<ActivationBuffer> activationBuffers(const ModelConfig& config, const ForwardLimits& limits) {
    const std::int64_t rows = limits.rows;
    const std::int64_t query_width = config.num_attention_heads * config.head_dim;
    const std::int64_t key_width = config.num_key_value_heads * config.head_dim;
    return {
        {"hidden state", rows, config.hidden_size},
        {"normed hidden state", rows, config.hidden_size},
        {"queries", rows, query_width},
        {"keys", rows, key_width},
        {"values", rows, key_width},
        {"attention output", rows, query_width},
        {"router logits", rows, config.num_experts},
        {"router probabilities", rows, config.num_experts},
        {"expert weights", rows, slotsOf(config, limits)},
        {"rows for the output projection", limits.logit_rows, config.hidden_size},
        {"logits", limits.logit_rows, config.vocab_size},
    };
}

Activations::Activations(const ModelConfig& config, const ForwardLimits& limits)
    : m_limits{limits.rows, limits.logit_rows, slotsOf(config, limits)}, m_buffers(activationBuffers(config, limits)) {
    assert(limits.rows > 0 && limits.logit_rows >= 0);
    std::int64_t floats = 0;
    for (const ActivationBuffer& buffer : m_buffers) {
        m_offsets.push_back(floats);
        floats += roundUp(buffer.rows * buffer.columns);
    }
    m_data.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<std::size_t>(floats) * sizeof(float))));
    if (!m_data) {
        throw Error({.what = "Not enough memory for the activations",
                     .found = std::to_string(floats * 4 / (1024 * 1024)) + " MiB needed",
                     .advice = "Choose a smaller prefill chunk or fewer lanes"});
    }
    std::fill_n(m_data.get(), floats, 0.0F);
    m_expert_ids.resize(static_cast<std::size_t>(limits.rows * m_limits.slots));
    m_tokens.resize(static_cast<std::size_t>(limits.rows));
    m_sequence.resize(static_cast<std::size_t>(limits.rows));
    m_routed_rows.resize(static_cast<std::size_t>(limits.rows));
}

kernels::RowsOut Activations::rows(std::size_t buffer, std::int64_t count) const {
    assert(count <= m_buffers[buffer].rows);
    return {m_data.get() + m_offsets[buffer], count, m_buffers[buffer].columns};
}

}  // namespace mixoscope
