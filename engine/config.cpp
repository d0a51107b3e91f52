#include "engine/config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/error.h"
#include "engine/json_text.h"

namespace mixoscope {

namespace {

// Upper bounds far above any published checkpoint: they keep products of two or three figures inside 64 bits.
constexpr std::int64_t kMostVocabulary = std::int64_t{1} << 24;
constexpr std::int64_t kMostWidth = std::int64_t{1} << 20;
constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostHeads = 4096;
constexpr std::int64_t kMostHeadDim = 4096;
constexpr std::int64_t kMostPositions = std::int64_t{1} << 30;
constexpr std::int64_t kMostExperts = 32767;        // traces hold expert ids in 16 bits
constexpr std::int64_t kMostExpertsPerToken = 255;  // and the count of active experts in 8

constexpr std::string_view kMoeArchitecture = "Qwen3MoeForCausalLM";
constexpr std::string_view kDenseArchitecture = "Qwen3ForCausalLM";

std::string architectureOf(const JsonFields& fields) {
    std::string found;
    if (const nlohmann::json* architectures = fields.find("architectures")) {
        if (!architectures->is_array() || architectures->empty() || !architectures->front().is_string()) {
            throw Error({.what = "This field has a value that cannot be used",
                         .where = fields.at("architectures"),
                         .expected = "a list that begins with the architecture's name",
                         .found = describeJson(*architectures)});
        }
        found = architectures->front().get<std::string>();
    } else if (const auto type = fields.optionalText("model_type")) {  // what a bare configuration carries
        found = *type == "qwen3_moe" ? kMoeArchitecture : *type == "qwen3" ? kDenseArchitecture : *type;
    } else {
        throw Error({.what = "This field is missing", .where = fields.at("architectures")});
    }
    if (found != kMoeArchitecture && found != kDenseArchitecture) {
        throw Error({.what = "This architecture is not supported",
                     .where = fields.at("architectures"),
                     .expected = std::string(kMoeArchitecture) + " or " + std::string(kDenseArchitecture),
                     .found = found.size() > 80 ? found.substr(0, 80) + "…" : found});
    }
    return found;
}

/// Settings that would change the arithmetic and that the engine does not have.
void refuseUnsupported(const JsonFields& fields) {
    if (fields.boolean("use_sliding_window", false)) {
        throw Error({.what = "Sliding window attention is not supported",
                     .where = fields.at("use_sliding_window"),
                     .expected = "false",
                     .found = "true"});
    }
    if (const auto activation = fields.optionalText("hidden_act"); activation && *activation != "silu") {
        throw Error({.what = "This activation function is not supported",
                     .where = fields.at("hidden_act"),
                     .expected = "silu",
                     .found = *activation});
    }
    if (fields.has("quantization_config")) {
        throw Error({.what = "Quantised checkpoints are not supported",
                     .where = fields.at("quantization_config"),
                     .expected = "weights in F32, F16 or BF16"});
    }
    if (const nlohmann::json* types = fields.find("layer_types")) {
        for (const nlohmann::json& type : *types) {
            if (type == "full_attention") continue;
            throw Error({.what = "This kind of layer is not supported",
                         .where = fields.at("layer_types"),
                         .expected = "full_attention",
                         .found = describeJson(type)});
        }
    }
}

/// The factor may stand beside the rope settings or among them.
void requireWholeRotary(const JsonFields& fields) {
    const double factor = fields.optionalNumber("partial_rotary_factor", 0.0, 1.0).value_or(1.0);
    if (factor == 1.0) return;
    throw Error({.what = "Partial rotary embeddings are not supported",
                 .where = fields.at("partial_rotary_factor"),
                 .expected = "1",
                 .found = describeJson(factor)});
}

/// `rope_scaling` wins over `rope_parameters` where a file has both, and both over a bare `rope_theta`, as in
/// transformers 5.
RopeConfig parseRope(const JsonFields& fields, std::int64_t max_positions, std::string_view file_name) {
    constexpr double kMostTheta = 1e15;
    RopeConfig rope;
    rope.theta = fields.optionalNumber("rope_theta", 1.0001, kMostTheta).value_or(rope.theta);
    std::string_view key = "rope_scaling";
    const nlohmann::json* object = fields.find(key);
    if (object == nullptr || object->empty()) {
        key = "rope_parameters";
        object = fields.find(key);
    }
    requireWholeRotary(fields);
    if (object == nullptr) return rope;
    const JsonFields settings(*object, std::string(file_name) + ", field " + std::string(key));
    rope.theta = settings.optionalNumber("rope_theta", 1.0001, kMostTheta).value_or(rope.theta);
    const std::string type =
        settings.optionalText("rope_type").value_or(settings.optionalText("type").value_or("default"));
    if (type != "default" && type != "yarn") {
        throw Error({.what = "This kind of rotary embedding is not supported",
                     .where = settings.at("rope_type"),
                     .expected = "default or yarn",
                     .found = type.size() > 80 ? type.substr(0, 80) + "…" : type});
    }
    requireWholeRotary(settings);
    if (type == "default") return rope;

    constexpr double kMost = 1e9;
    constexpr std::string_view kOriginal = "original_max_position_embeddings";
    rope.yarn = true;
    rope.original_max_position_embeddings = static_cast<double>(max_positions);
    if (const auto original = settings.optionalNumber(kOriginal, 1.0, kMost)) {
        rope.original_max_position_embeddings = *original;
    }
    if (const auto original = fields.optionalNumber(kOriginal, 1.0, kMost)) {
        rope.original_max_position_embeddings = *original;
    }
    rope.factor = settings.optionalNumber("factor", 1e-3, 1e6)
                      .value_or(static_cast<double>(max_positions) / rope.original_max_position_embeddings);
    // transformers takes a zero here for "not given".
    const double beta_fast = settings.optionalNumber("beta_fast", 0.0, kMost).value_or(0.0);
    const double beta_slow = settings.optionalNumber("beta_slow", 0.0, kMost).value_or(0.0);
    if (beta_fast != 0.0) rope.beta_fast = beta_fast;
    if (beta_slow != 0.0) rope.beta_slow = beta_slow;
    rope.attention_factor = settings.optionalNumber("attention_factor", 0.0, 1e6);
    rope.mscale = settings.optionalNumber("mscale", 0.0, 1e6);
    rope.mscale_all_dim = settings.optionalNumber("mscale_all_dim", 0.0, 1e6);
    rope.truncate = settings.boolean("truncate", true);
    return rope;
}

void parseAttention(const JsonFields& fields, ModelConfig& config) {
    config.num_attention_heads = fields.integer("num_attention_heads", 1, kMostHeads);
    config.num_key_value_heads = fields.integer("num_key_value_heads", 1, config.num_attention_heads);
    if (config.num_attention_heads % config.num_key_value_heads != 0) {
        throw Error({.what = "The query heads cannot be shared equally between the key-value heads",
                     .where = fields.at("num_key_value_heads"),
                     .expected = "a divisor of num_attention_heads, " + std::to_string(config.num_attention_heads),
                     .found = std::to_string(config.num_key_value_heads)});
    }
    // Where a file has none, each class of transformers has a default of its own.
    const std::int64_t absent =
        config.architecture == kMoeArchitecture ? config.hidden_size / config.num_attention_heads : std::int64_t{128};
    config.head_dim = fields.optionalInteger("head_dim", 2, kMostHeadDim).value_or(absent);
    if (config.head_dim < 2 || config.head_dim > kMostHeadDim || config.head_dim % 2 != 0) {
        throw Error({.what = "Rotary embeddings need an even head size",
                     .where = fields.at("head_dim"),
                     .expected = "an even number from 2 to " + std::to_string(kMostHeadDim),
                     .found = std::to_string(config.head_dim)});
    }
    config.attention_bias = fields.boolean("attention_bias", false);
}

void parseExperts(const JsonFields& fields, ModelConfig& config) {
    // transformers 4 writes num_experts, transformers 5 num_local_experts.
    const std::string_view key = fields.has("num_local_experts") ? "num_local_experts" : "num_experts";
    config.num_experts = fields.integer(key, 0, kMostExperts);
    config.decoder_sparse_step = fields.optionalInteger("decoder_sparse_step", 1, kMostLayers).value_or(1);
    config.mlp_only_layers = fields.integers("mlp_only_layers", 0, kMostLayers);
    std::sort(config.mlp_only_layers.begin(), config.mlp_only_layers.end());
    if (config.moeLayerCount() == 0) {  // no layer that has experts: an ordinary dense model
        config.num_experts = 0;
        return;
    }
    config.num_experts_per_tok =
        fields.integer("num_experts_per_tok", 1, std::min(config.num_experts, kMostExpertsPerToken));
    config.moe_intermediate_size = fields.integer("moe_intermediate_size", 1, kMostWidth);
    config.norm_topk_prob = fields.boolean("norm_topk_prob", false);
}

}  // namespace

bool ModelConfig::isMoeLayer(std::int64_t layer) const {
    return num_experts > 0 && (layer + 1) % decoder_sparse_step == 0 &&
           !std::binary_search(mlp_only_layers.begin(), mlp_only_layers.end(), layer);
}

std::int64_t ModelConfig::moeLayerCount() const {
    std::int64_t count = 0;
    for (std::int64_t layer = 0; layer < num_hidden_layers; ++layer) count += isMoeLayer(layer) ? 1 : 0;
    return count;
}

std::vector<std::int32_t> ModelConfig::moeLayers() const {
    std::vector<std::int32_t> layers;
    for (std::int64_t layer = 0; layer < num_hidden_layers; ++layer) {
        if (isMoeLayer(layer)) layers.push_back(static_cast<std::int32_t>(layer));
    }
    return layers;
}

ModelConfig parseModelConfig(std::span<const std::byte> json, std::string_view file_name) {
    const nlohmann::json root = parseJsonText(json, file_name, kDownloadAgain);
    const JsonFields fields(root, std::string(file_name));
    ModelConfig config;
    config.architecture = architectureOf(fields);
    refuseUnsupported(fields);
    config.vocab_size = fields.integer("vocab_size", 1, kMostVocabulary);
    config.hidden_size = fields.integer("hidden_size", 1, kMostWidth);
    config.num_hidden_layers = fields.integer("num_hidden_layers", 1, kMostLayers);
    config.max_position_embeddings = fields.integer("max_position_embeddings", 1, kMostPositions);
    config.rms_norm_eps = static_cast<float>(fields.optionalNumber("rms_norm_eps", 0.0, 1.0).value_or(1e-6));
    config.tie_word_embeddings = fields.boolean("tie_word_embeddings", false);
    parseAttention(fields, config);
    config.rope = parseRope(fields, config.max_position_embeddings, file_name);
    if (config.architecture == kMoeArchitecture) parseExperts(fields, config);
    if (config.moeLayerCount() < config.num_hidden_layers) {
        config.intermediate_size = fields.integer("intermediate_size", 1, kMostWidth);
    } else {
        config.intermediate_size = fields.optionalInteger("intermediate_size", 1, kMostWidth).value_or(0);
    }
    return config;
}

GenerationConfig parseGenerationConfig(std::span<const std::byte> json, std::string_view file_name) {
    const nlohmann::json root = parseJsonText(json, file_name, kDownloadAgain);
    const JsonFields fields(root, std::string(file_name));
    GenerationConfig config;
    if (const nlohmann::json* eos = fields.find("eos_token_id")) {
        if (eos->is_array()) {
            for (const std::int64_t id : fields.integers("eos_token_id", 0, kMostVocabulary)) {
                config.eos_token_ids.push_back(static_cast<TokenId>(id));
            }
        } else {
            config.eos_token_ids.push_back(static_cast<TokenId>(fields.integer("eos_token_id", 0, kMostVocabulary)));
        }
    }
    const auto narrow = [](std::optional<double> value) -> std::optional<float> {
        if (!value) return std::nullopt;
        return static_cast<float>(*value);
    };
    config.temperature = narrow(fields.optionalNumber("temperature", 0.0, 100.0));
    config.top_p = narrow(fields.optionalNumber("top_p", 0.0, 1.0));
    config.min_p = narrow(fields.optionalNumber("min_p", 0.0, 1.0));
    if (const auto top_k = fields.optionalInteger("top_k", 0, kMostVocabulary)) {
        config.top_k = static_cast<std::int32_t>(*top_k);
    }
    return config;
}

SamplingSettings defaultSampling(bool thinking) {
    SamplingSettings settings;
    settings.temperature = thinking ? 0.6F : 0.7F;
    settings.top_p = thinking ? 0.95F : 0.8F;
    settings.top_k = 20;
    settings.min_p = 0.0F;
    return settings;
}

}  // namespace mixoscope
