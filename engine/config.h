// What config.json and generation_config.json say, validated once and const from then on.
#pragma once

#include "engine/ids.h"
#include "engine/lane_settings.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

/// Rotary embedding settings, from `rope_theta` + `rope_scaling` or from `rope_parameters` (both spellings are read).
struct RopeConfig {
    double theta = 10000.0;
    bool yarn = false;
    double factor = 1.0;
    double original_max_position_embeddings = 0.0;
    double beta_fast = 32.0;
    double beta_slow = 1.0;
    std::optional<double> attention_factor;
    std::optional<double> mscale;
    std::optional<double> mscale_all_dim;
    bool truncate = true;

    bool operator==(const RopeConfig&) const = default;
};

/// Field names are config.json's.
struct ModelConfig {
    std::string architecture;  // "Qwen3MoeForCausalLM" or "Qwen3ForCausalLM"
    std::int64_t vocab_size = 0;
    std::int64_t hidden_size = 0;
    std::int64_t intermediate_size = 0;  // of dense layers
    std::int64_t num_hidden_layers = 0;
    std::int64_t num_attention_heads = 0;
    std::int64_t num_key_value_heads = 0;
    std::int64_t head_dim = 0;
    std::int64_t max_position_embeddings = 0;
    float rms_norm_eps = 1e-6F;
    bool attention_bias = false;
    bool tie_word_embeddings = false;
    RopeConfig rope;

    std::int64_t num_experts = 0;  // 0: a dense model
    std::int64_t num_experts_per_tok = 0;
    std::int64_t moe_intermediate_size = 0;
    bool norm_topk_prob = false;
    std::int64_t decoder_sparse_step = 1;
    std::vector<std::int64_t> mlp_only_layers;

    bool isMoeLayer(std::int64_t layer) const;
    std::int64_t moeLayerCount() const;
    /// Model layer of each MoE layer, ascending: trace layer index → model layer.
    std::vector<std::int32_t> moeLayers() const;
};

/// What generation_config.json adds; absent fields keep the Qwen3 model card's defaults of the mode.
struct GenerationConfig {
    std::vector<TokenId> eos_token_ids;
    std::optional<float> temperature;
    std::optional<float> top_p;
    std::optional<std::int32_t> top_k;
    std::optional<float> min_p;
};

/// Parses and validates config.json. `file_name` appears in messages. Throws Error naming the field.
ModelConfig parseModelConfig(std::span<const std::byte> json, std::string_view file_name);
GenerationConfig parseGenerationConfig(std::span<const std::byte> json, std::string_view file_name);

/// Inverse frequencies (head_dim / 2) with YaRN applied (arXiv 2309.00071, as transformers computes it), and the factor
/// on cos and sin.
struct RotaryTable {
    std::vector<float> inverse_frequencies;
    float attention_scaling = 1.0F;
};
RotaryTable makeRotaryTable(const ModelConfig& config);

/// Sampling defaults of the Qwen3 model card: thinking 0.6 / 0.95 / 20 / 0, not thinking 0.7 / 0.8 / 20 / 0
/// (temperature / top-p / top-k / min-p).
SamplingSettings defaultSampling(bool thinking);

}  // namespace mixoscope
