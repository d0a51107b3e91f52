#include "engine/random_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/memory_plan.h"
#include "kernels/float_formats.h"

namespace mixoscope {

namespace {

using kernels::DataType;
using kernels::Matrix;

/// Eight interleaved xorshift generators (Marsaglia 2003): the compiler turns the lanes into SIMD, so a gigabyte of
/// weights takes about a second.
class FastRandom {
public:
    static constexpr std::size_t kLanes = 8;

    explicit FastRandom(std::uint64_t seed) {
        for (std::uint32_t& state : m_state) {
            seed += 0x9E3779B97F4A7C15U;  // splitmix64 spreads the seed over the lanes
            std::uint64_t mixed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9U;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
            state = static_cast<std::uint32_t>(mixed >> 32) | 1U;
        }
    }

    /// Uniform in [−1, 1).
    void next(std::array<float, kLanes>& values) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            std::uint32_t x = m_state[lane];
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            m_state[lane] = x;
            values[lane] = static_cast<float>(static_cast<std::int32_t>(x)) * 0x1p-31F;
        }
    }

private:
    std::array<std::uint32_t, kLanes> m_state{};
};

template <typename Store>
void fill(FastRandom& random, std::byte* out, std::int64_t count, float scale, Store store) {
    using Stored = decltype(store(0.0F));
    std::array<float, FastRandom::kLanes> values{};
    std::array<Stored, FastRandom::kLanes> stored{};
    for (std::int64_t done = 0; done < count; done += static_cast<std::int64_t>(values.size())) {
        random.next(values);
        for (std::size_t lane = 0; lane < values.size(); ++lane) stored[lane] = store(values[lane] * scale);
        const std::size_t part =
            static_cast<std::size_t>(std::min<std::int64_t>(count - done, static_cast<std::int64_t>(values.size())));
        std::memcpy(out + static_cast<std::size_t>(done) * sizeof(Stored), stored.data(), part * sizeof(Stored));
    }
}

/// Hands out matrices of one block, filled with random values.
class Block {
public:
    Block(FastRandom& random, DataType type, std::vector<TensorInfo>& tensors)
        : m_random(random), m_type(type), m_tensors(tensors) {}

    void reserve(std::int64_t elements) {
        m_bytes.resize(static_cast<std::size_t>(elements) * kernels::bytesPerElement(m_type));
        m_next = 0;
    }

    Matrix matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
        const Matrix matrix{.data = m_bytes.data() + m_next, .type = m_type, .rows = rows, .columns = columns};
        // A uniform value in [−a, a) has variance a² / 3.
        const float scale = std::sqrt(3.0F / static_cast<float>(columns));
        std::byte* out = m_bytes.data() + m_next;
        switch (m_type) {
            case DataType::kF32:
                fill(m_random, out, rows * columns, scale, [](float value) { return value; });
                break;
            case DataType::kF16:
                fill(m_random, out, rows * columns, scale, [](float value) { return kernels::f16FromFloat(value); });
                break;
            case DataType::kBF16:
                fill(m_random, out, rows * columns, scale, [](float value) { return kernels::bf16FromFloat(value); });
                break;
        }
        m_next += static_cast<std::size_t>(matrix.bytes());
        m_tensors.push_back({name, m_type, {rows, columns}, matrix.bytes()});
        return matrix;
    }

    std::vector<std::byte> take() { return std::move(m_bytes); }

private:
    FastRandom& m_random;
    DataType m_type;
    std::vector<TensorInfo>& m_tensors;
    std::vector<std::byte> m_bytes;
    std::size_t m_next = 0;
};

std::int64_t feedForwardElements(const ModelConfig& config, std::int64_t layer) {
    if (!config.isMoeLayer(layer)) return 3 * config.intermediate_size * config.hidden_size;
    return config.num_experts * (3 * config.moe_intermediate_size * config.hidden_size + config.hidden_size);
}

std::int64_t attentionElements(const ModelConfig& config) {
    return 2 * (config.num_attention_heads + config.num_key_value_heads) * config.head_dim * config.hidden_size;
}

std::int64_t embeddingElements(const ModelConfig& config) {
    return config.vocab_size * config.hidden_size * (config.tie_word_embeddings ? 1 : 2);
}

kernels::ExpertMatrices makeExpert(Block& block, const std::string& prefix, std::int64_t width, std::int64_t hidden) {
    kernels::ExpertMatrices expert;
    expert.gate = block.matrix(prefix + "gate_proj.weight", width, hidden);
    expert.up = block.matrix(prefix + "up_proj.weight", width, hidden);
    expert.down = block.matrix(prefix + "down_proj.weight", hidden, width);
    return expert;
}

LayerWeights makeLayer(const ModelConfig& config, std::int64_t index, Block& block) {
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    const std::int64_t hidden = config.hidden_size;
    const std::int64_t queries = config.num_attention_heads * config.head_dim;
    const std::int64_t keys = config.num_key_value_heads * config.head_dim;
    block.reserve(attentionElements(config) + feedForwardElements(config, index));
    LayerWeights layer;
    layer.input_norm.assign(static_cast<std::size_t>(hidden), 1.0F);
    layer.post_attention_norm.assign(static_cast<std::size_t>(hidden), 1.0F);
    layer.q_norm.assign(static_cast<std::size_t>(config.head_dim), 1.0F);
    layer.k_norm.assign(static_cast<std::size_t>(config.head_dim), 1.0F);
    layer.q_proj = block.matrix(prefix + "self_attn.q_proj.weight", queries, hidden);
    layer.k_proj = block.matrix(prefix + "self_attn.k_proj.weight", keys, hidden);
    layer.v_proj = block.matrix(prefix + "self_attn.v_proj.weight", keys, hidden);
    layer.o_proj = block.matrix(prefix + "self_attn.o_proj.weight", hidden, queries);
    if (!config.isMoeLayer(index)) {
        layer.experts.push_back(makeExpert(block, prefix + "mlp.", config.intermediate_size, hidden));
        return layer;
    }
    layer.router = block.matrix(prefix + "mlp.gate.weight", config.num_experts, hidden);
    for (std::int64_t id = 0; id < config.num_experts; ++id) {
        layer.experts.push_back(makeExpert(block, prefix + "mlp.experts." + std::to_string(id) + ".",
                                           config.moe_intermediate_size, hidden));
    }
    return layer;
}

/// A shape that can be asked for by name. The published ones are those of their config.json at huggingface.co/Qwen.
struct NamedShape {
    std::string_view name;
    std::int64_t vocabulary, hidden, intermediate, layers, heads, kv_heads, head_dim, positions;
    std::int64_t experts, experts_per_token, expert_intermediate;
    bool tied;
};

constexpr std::array kShapes = {
    //         name               vocab  hidden  inter layers heads kv  dim  positions exp  k  inter  tied
    NamedShape{"tiny", 320, 32, 64, 3, 4, 2, 8, 1024, 8, 2, 16, true},
    NamedShape{"moe-1b", 32768, 1024, 3072, 12, 16, 4, 64, 40960, 64, 8, 192, false},
    NamedShape{"qwen3-0.6b", 151936, 1024, 3072, 28, 16, 8, 128, 40960, 0, 0, 0, true},
    NamedShape{"qwen3-1.7b", 151936, 2048, 6144, 28, 16, 8, 128, 40960, 0, 0, 0, true},
    NamedShape{"qwen3-4b", 151936, 2560, 9728, 36, 32, 8, 128, 40960, 0, 0, 0, true},
    NamedShape{"qwen3-8b", 151936, 4096, 12288, 36, 32, 8, 128, 40960, 0, 0, 0, false},
    NamedShape{"qwen3-30b-a3b", 151936, 2048, 6144, 48, 32, 4, 128, 40960, 128, 8, 768, false},
    NamedShape{"qwen3-235b-a22b", 151936, 4096, 12288, 94, 64, 4, 128, 40960, 128, 8, 1536, false},
};

ModelConfig configOf(const NamedShape& shape) {
    ModelConfig config;
    config.architecture = shape.experts > 0 ? "Qwen3MoeForCausalLM" : "Qwen3ForCausalLM";
    config.vocab_size = shape.vocabulary;
    config.hidden_size = shape.hidden;
    config.intermediate_size = shape.intermediate;
    config.num_hidden_layers = shape.layers;
    config.num_attention_heads = shape.heads;
    config.num_key_value_heads = shape.kv_heads;
    config.head_dim = shape.head_dim;
    config.max_position_embeddings = shape.positions;
    config.rope.theta = 1e6;
    config.tie_word_embeddings = shape.tied;
    config.num_experts = shape.experts;
    config.num_experts_per_tok = shape.experts_per_token;
    config.moe_intermediate_size = shape.expert_intermediate;
    config.norm_topk_prob = true;
    return config;
}

std::string knownNames() {
    std::string names;
    for (const NamedShape& shape : kShapes) names += (names.empty() ? "" : ", ") + std::string(shape.name);
    return names;
}

DataType typeNamed(std::string_view name, std::string_view spec) {
    if (name == "f32") return DataType::kF32;
    if (name == "f16") return DataType::kF16;
    if (name == "bf16") return DataType::kBF16;
    throw Error({.what = "This element type is not known",
                 .where = "random:" + std::string(spec),
                 .expected = "f32, f16 or bf16",
                 .found = std::string(name)});
}

}  // namespace

std::int64_t weightBytes(const ModelConfig& config, DataType type) {
    std::int64_t elements = embeddingElements(config);
    for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
        elements += attentionElements(config) + feedForwardElements(config, layer);
    }
    return elements * static_cast<std::int64_t>(kernels::bytesPerElement(type));
}

RandomWeights makeRandomWeights(const ModelConfig& config, DataType type, std::uint64_t seed) {
    FastRandom random(seed);
    RandomWeights made;
    Block block(random, type, made.tensors);
    block.reserve(embeddingElements(config));
    made.weights.embed_tokens = block.matrix("model.embed_tokens.weight", config.vocab_size, config.hidden_size);
    made.weights.lm_head = config.tie_word_embeddings
                               ? made.weights.embed_tokens
                               : block.matrix("lm_head.weight", config.vocab_size, config.hidden_size);
    made.storage.push_back(block.take());
    for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
        made.weights.layers.push_back(makeLayer(config, layer, block));
        made.storage.push_back(block.take());
    }
    made.weights.final_norm.assign(static_cast<std::size_t>(config.hidden_size), 1.0F);
    return made;
}

std::vector<std::string> randomModelNames() {
    std::vector<std::string> names;
    for (const NamedShape& shape : kShapes) names.emplace_back(shape.name);
    return names;
}

ModelConfig randomModelConfig(std::string_view name) {
    const auto* shape =
        std::find_if(kShapes.begin(), kShapes.end(), [name](const NamedShape& known) { return known.name == name; });
    if (shape != kShapes.end()) return configOf(*shape);
    throw Error({.what = "There is no random model of this name",
                 .where = "random:" + std::string(name),
                 .expected = knownNames(),
                 .found = std::string(name)});
}

Model makeRandomModel(std::string_view spec) {
    const std::size_t colon = spec.find(':');
    const std::string_view name = spec.substr(0, colon);
    const DataType type = colon == std::string_view::npos ? DataType::kBF16 : typeNamed(spec.substr(colon + 1), spec);
    Model model;
    model.name = "random:" + std::string(spec);
    model.config = randomModelConfig(name);
    const std::int64_t bytes = weightBytes(model.config, type);
    const std::int64_t available = availableMemoryBytes();
    if (available > 0 && bytes > available) {
        throw Error({.what = "This model does not fit into memory",
                     .where = model.name,
                     .expected = "at most " + describeBytes(available),
                     .found = describeBytes(bytes)});
    }
    constexpr std::uint64_t kSeed = 20250429;
    RandomWeights made = makeRandomWeights(model.config, type, kSeed);
    model.rotary = makeRotaryTable(model.config);
    model.weights = std::move(made.weights);
    model.tensors = std::move(made.tensors);
    model.m_owned = std::move(made.storage);
    return model;
}

}  // namespace mixoscope
