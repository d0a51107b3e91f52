#include "support/tiny_model.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "support/temporary_directory.h"

namespace mixoscope::test {

namespace {

constexpr std::int64_t kHeads = 4;
constexpr std::int64_t kKvHeads = 2;
constexpr std::int64_t kHeadDim = 8;
constexpr std::int64_t kExpertWidth = 16;
constexpr std::int64_t kDenseWidth = 48;

class TensorMaker {
public:
    explicit TensorMaker(const TinyModelOptions& options) : m_options(options), m_random(options.seed) {}

    /// Uniform values of variance gain² / columns, so that a row of ones gives about `gain`.
    void matrix(const std::string& name, std::vector<std::int64_t> shape, float gain = 1.0F) {
        const float bound = gain * std::sqrt(3.0F / static_cast<float>(shape.back()));
        fill(name, std::move(shape), -bound, bound);
    }
    void norm(const std::string& name, std::int64_t size) { fill(name, {size}, 0.5F, 1.5F); }
    void bias(const std::string& name, std::int64_t size) { fill(name, {size}, -0.5F, 0.5F); }

    SafetensorsWriter take() { return std::move(m_writer); }

private:
    void fill(const std::string& name, std::vector<std::int64_t> shape, float low, float high) {
        const std::int64_t count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
        std::vector<float> values(static_cast<std::size_t>(count));
        for (float& value : values) {
            // Written out: the standard's distributions differ between libraries.
            value = low + (high - low) * static_cast<float>(m_random() >> 40) * 0x1p-24F;
        }
        m_writer.add(name, m_options.type, shape, values);
    }

    const TinyModelOptions& m_options;
    std::mt19937_64 m_random;
    SafetensorsWriter m_writer;
};

void addAttention(TensorMaker& maker, const TinyModelOptions& options, const std::string& prefix) {
    maker.matrix(prefix + "q_proj.weight", {kHeads * kHeadDim, options.hidden});
    maker.matrix(prefix + "k_proj.weight", {kKvHeads * kHeadDim, options.hidden});
    maker.matrix(prefix + "v_proj.weight", {kKvHeads * kHeadDim, options.hidden});
    maker.matrix(prefix + "o_proj.weight", {options.hidden, kHeads * kHeadDim});
    maker.norm(prefix + "q_norm.weight", kHeadDim);
    maker.norm(prefix + "k_norm.weight", kHeadDim);
    if (!options.attention_bias) return;
    maker.bias(prefix + "q_proj.bias", kHeads * kHeadDim);
    maker.bias(prefix + "k_proj.bias", kKvHeads * kHeadDim);
    maker.bias(prefix + "v_proj.bias", kKvHeads * kHeadDim);
    maker.bias(prefix + "o_proj.bias", options.hidden);
}

void addExpert(TensorMaker& maker, const std::string& prefix, std::int64_t width, std::int64_t hidden) {
    maker.matrix(prefix + "gate_proj.weight", {width, hidden});
    maker.matrix(prefix + "up_proj.weight", {width, hidden});
    maker.matrix(prefix + "down_proj.weight", {hidden, width});
}

void addFeedForward(TensorMaker& maker, const TinyModelOptions& options, const std::string& prefix) {
    if (options.experts == 0) {
        addExpert(maker, prefix, kDenseWidth, options.hidden);
        return;
    }
    maker.matrix(prefix + "gate.weight", {options.experts, options.hidden}, 2.0F);
    if (options.fused_experts) {
        maker.matrix(prefix + "experts.gate_up_proj", {options.experts, 2 * kExpertWidth, options.hidden});
        maker.matrix(prefix + "experts.down_proj", {options.experts, options.hidden, kExpertWidth});
        return;
    }
    for (std::int64_t id = 0; id < options.experts; ++id) {
        addExpert(maker, prefix + "experts." + std::to_string(id) + ".", kExpertWidth, options.hidden);
    }
}

std::string utf8(std::uint32_t code) {
    if (code < 0x80) return {static_cast<char>(code)};
    return {static_cast<char>(0xC0U | (code >> 6)), static_cast<char>(0x80U | (code & 0x3FU))};
}

/// The character that stands for a byte in byte-level vocabularies: printable Latin-1 for itself, the rest from U+0100
/// on.
std::string byteCharacter(unsigned byte) {
    const auto printable = [](unsigned value) {
        return (value >= 0x21 && value <= 0x7E) || (value >= 0xA1 && value <= 0xAC) || value >= 0xAE;
    };
    if (printable(byte)) return utf8(byte);
    std::uint32_t code = 0x100;
    for (unsigned lower = 0; lower < byte; ++lower) code += printable(lower) ? 0U : 1U;
    return utf8(code);
}

}  // namespace

nlohmann::json tinyConfig(const TinyModelOptions& options) {
    nlohmann::json config = {
        {"architectures", {options.experts > 0 ? "Qwen3MoeForCausalLM" : "Qwen3ForCausalLM"}},
        {"model_type", options.experts > 0 ? "qwen3_moe" : "qwen3"},
        {"vocab_size", options.vocabulary},
        {"hidden_size", options.hidden},
        {"intermediate_size", kDenseWidth},
        {"num_hidden_layers", options.layers},
        {"num_attention_heads", kHeads},
        {"num_key_value_heads", kKvHeads},
        {"head_dim", kHeadDim},
        {"hidden_act", "silu"},
        {"max_position_embeddings", options.positions},
        {"rms_norm_eps", 1e-6},
        {"rope_theta", 10000.0},
        {"attention_bias", options.attention_bias},
        {"tie_word_embeddings", options.tied},
        {"eos_token_id", kTinyEnd},
    };
    if (options.experts > 0) {
        config.update({{"num_experts", options.experts},
                       {"num_experts_per_tok", options.experts_per_token},
                       {"moe_intermediate_size", kExpertWidth},
                       {"norm_topk_prob", options.norm_topk_prob},
                       {"decoder_sparse_step", 1},
                       {"mlp_only_layers", nlohmann::json::array()}});
    }
    return config;
}

SafetensorsWriter tinyTensors(const TinyModelOptions& options) {
    TensorMaker maker(options);
    maker.matrix("model.embed_tokens.weight", {options.vocabulary, options.hidden});
    for (std::int64_t layer = 0; layer < options.layers; ++layer) {
        const std::string prefix = "model.layers." + std::to_string(layer) + ".";
        maker.norm(prefix + "input_layernorm.weight", options.hidden);
        maker.norm(prefix + "post_attention_layernorm.weight", options.hidden);
        addAttention(maker, options, prefix + "self_attn.");
        addFeedForward(maker, options, prefix + "mlp.");
    }
    maker.norm("model.norm.weight", options.hidden);
    if (!options.tied) maker.matrix("lm_head.weight", {options.vocabulary, options.hidden});
    return maker.take();
}

std::string tinyTokenizerJson() {
    nlohmann::json vocabulary = nlohmann::json::object();
    for (unsigned byte = 0; byte < 256; ++byte) vocabulary[byteCharacter(byte)] = byte;
    nlohmann::json added = nlohmann::json::array();
    const auto add = [&added](TokenId id, const char* content, bool special) {
        added.push_back({{"id", id},
                         {"content", content},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", special}});
    };
    add(kTinyEndOfText, "<|endoftext|>", true);
    add(kTinyStart, "<|im_start|>", true);
    add(kTinyEnd, "<|im_end|>", true);
    add(kTinyThinkOpen, "<think>", false);
    add(kTinyThinkClose, "</think>", false);
    const nlohmann::json byte_level = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
    const nlohmann::json tokenizer = {
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", added},
        {"normalizer", {{"type", "NFC"}}},
        {"pre_tokenizer", byte_level},
        {"post_processor", byte_level},
        {"decoder", byte_level},
        {"model",
         {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", ""},
          {"end_of_word_suffix", ""},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"vocab", vocabulary},
          {"merges", nlohmann::json::array()}}},
    };
    return tokenizer.dump(1);
}

void writeTinyModel(const std::filesystem::path& directory, const TinyModelOptions& options) {
    writeFile(directory / "config.json", tinyConfig(options).dump(1));
    const nlohmann::json generation = {{"eos_token_id", {kTinyEnd, kTinyEndOfText}}, {"do_sample", true}};
    writeFile(directory / "generation_config.json", generation.dump(1));
    writeFile(directory / "model.safetensors", tinyTensors(options).bytes());
    if (!options.tokenizer) return;
    writeFile(directory / "tokenizer.json", tinyTokenizerJson());
    const nlohmann::json tokenizer_config = {{"chat_template", "{% if enable_thinking is false %}{% endif %}"}};
    writeFile(directory / "tokenizer_config.json", tokenizer_config.dump(1));
}

Model openTinyModel(const TinyModelOptions& options) {
    const TemporaryDirectory directory;
    writeTinyModel(directory.path(), options);
    Model model = openModelDirectory(directory.path());
    model.name = "tiny";
    return model;
}

}  // namespace mixoscope::test
