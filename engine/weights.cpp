#include "engine/weights.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "engine/error.h"
#include "kernels/float_formats.h"

namespace mixoscope {

namespace {

using kernels::DataType;
using kernels::Matrix;

std::optional<DataType> dataTypeOf(const std::string& type) {
    if (type == "F32") return DataType::kF32;
    if (type == "F16") return DataType::kF16;
    if (type == "BF16") return DataType::kBF16;
    return std::nullopt;
}

template <typename Bits>
Bits loadBits(const std::byte* data, std::int64_t index) {
    Bits bits;
    std::memcpy(&bits, data + static_cast<std::size_t>(index) * sizeof(Bits), sizeof(Bits));
    return bits;
}

/// True if an element's exponent bits are all ones: NaN or infinity.
template <typename Bits>
bool anyNotFinite(const std::byte* data, std::int64_t count, Bits exponent) {
    bool found = false;
    for (std::int64_t index = 0; index < count; ++index) {
        found |= (loadBits<Bits>(data, index) & exponent) == exponent;
    }
    return found;
}

bool anyNotFinite(const std::byte* data, std::int64_t count, DataType type) {
    switch (type) {
        case DataType::kF32:
            return anyNotFinite<std::uint32_t>(data, count, 0x7F800000U);
        case DataType::kF16:
            return anyNotFinite<std::uint16_t>(data, count, std::uint16_t{0x7C00});
        case DataType::kBF16:
            return anyNotFinite<std::uint16_t>(data, count, std::uint16_t{0x7F80});
    }
    return true;
}

class Loader {
public:
    Loader(const ModelConfig& config, std::vector<NamedTensor> tensors, FiniteCheck check)
        : m_config(config), m_check(check) {
        for (NamedTensor& tensor : tensors) {
            std::string name = tensor.view.name;
            const std::string file_name = tensor.file_name;
            if (!m_tensors.emplace(name, Entry{std::move(tensor), false}).second) {
                throw Error({.what = "This tensor appears in two files", .where = file_name + ", tensor " + name});
            }
        }
    }

    LoadedWeights load();

private:
    struct Entry {
        NamedTensor tensor;
        bool used;
    };
    /// A tensor that was found and has the expected shape.
    struct Checked {
        const std::byte* data;
        DataType type;
    };

    Checked take(const std::string& name, const std::vector<std::int64_t>& shape);
    bool has(const std::string& name) const { return m_tensors.contains(name); }
    Matrix matrix(const std::string& name, std::int64_t rows, std::int64_t columns);
    std::vector<float> vector(const std::string& name, std::int64_t size);
    void attention(const std::string& prefix, LayerWeights& layer);
    void fusedExperts(const std::string& prefix, LayerWeights& layer);
    kernels::ExpertMatrices expert(const std::string& prefix, std::int64_t width);
    LayerWeights layer(std::int64_t index);

    const ModelConfig& m_config;
    FiniteCheck m_check;
    std::map<std::string, Entry> m_tensors;
    LoadedWeights m_loaded;
};

Loader::Checked Loader::take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto found = m_tensors.find(name);
    if (found == m_tensors.end()) {
        throw Error({.what = "A tensor that config.json asks for is missing",
                     .where = "tensor " + name,
                     .expected = "shape " + describeShape(shape),
                     .advice = "A file of this checkpoint may be missing or of another model"});
    }
    found->second.used = true;
    const TensorView& view = found->second.tensor.view;
    const std::string where = found->second.tensor.file_name + ", tensor " + name;
    if (view.shape != shape) {
        throw Error({.what = "The shape disagrees with config.json",
                     .where = where,
                     .expected = describeShape(shape),
                     .found = describeShape(view.shape)});
    }
    const std::optional<DataType> type = dataTypeOf(view.type);
    if (!type) {
        throw Error({.what = "Weights of this element type are not supported",
                     .where = where,
                     .expected = "F32, F16 or BF16",
                     .found = view.type});
    }
    const std::int64_t element = static_cast<std::int64_t>(kernels::bytesPerElement(*type));
    const std::int64_t count = static_cast<std::int64_t>(view.data.size()) / element;
    const bool whole = m_check == FiniteCheck::kEveryValue;
    const std::int64_t row = shape.back();
    const std::int64_t begin = whole ? 0 : count / row / 2 * row;  // else the row in the middle; a vector is one row
    if (anyNotFinite(view.data.data() + begin * element, whole ? count : row, *type)) {
        throw Error({.what = "This tensor holds a value that is no finite number (NaN or infinity)",
                     .where = where,
                     .advice = "The checkpoint is damaged: download this file again"});
    }
    const std::byte* data = view.data.data();
    if (reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(element) != 0) {
        m_loaded.copies.emplace_back(view.data.begin(), view.data.end());
        data = m_loaded.copies.back().data();
    }
    m_loaded.tensors.push_back({name, *type, shape, static_cast<std::int64_t>(view.data.size())});
    return {data, *type};
}

Matrix Loader::matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
    const Checked tensor = take(name, {rows, columns});
    return {.data = tensor.data, .type = tensor.type, .rows = rows, .columns = columns};
}

std::vector<float> Loader::vector(const std::string& name, std::int64_t size) {
    const Checked tensor = take(name, {size});
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::int64_t index = 0; index < size; ++index) {
        values[static_cast<std::size_t>(index)] = kernels::loadElement(tensor.data, tensor.type, index);
    }
    return values;
}

void Loader::attention(const std::string& prefix, LayerWeights& layer) {
    const std::int64_t hidden = m_config.hidden_size;
    const std::int64_t queries = m_config.num_attention_heads * m_config.head_dim;
    const std::int64_t keys = m_config.num_key_value_heads * m_config.head_dim;
    layer.q_proj = matrix(prefix + "q_proj.weight", queries, hidden);
    layer.k_proj = matrix(prefix + "k_proj.weight", keys, hidden);
    layer.v_proj = matrix(prefix + "v_proj.weight", keys, hidden);
    layer.o_proj = matrix(prefix + "o_proj.weight", hidden, queries);
    layer.q_norm = vector(prefix + "q_norm.weight", m_config.head_dim);
    layer.k_norm = vector(prefix + "k_norm.weight", m_config.head_dim);
    if (!m_config.attention_bias) return;
    layer.q_bias = vector(prefix + "q_proj.bias", queries);
    layer.k_bias = vector(prefix + "k_proj.bias", keys);
    layer.v_bias = vector(prefix + "v_proj.bias", keys);
    layer.o_bias = vector(prefix + "o_proj.bias", hidden);
}

kernels::ExpertMatrices Loader::expert(const std::string& prefix, std::int64_t width) {
    return {.gate = matrix(prefix + "gate_proj.weight", width, m_config.hidden_size),
            .up = matrix(prefix + "up_proj.weight", width, m_config.hidden_size),
            .down = matrix(prefix + "down_proj.weight", m_config.hidden_size, width)};
}

/// All experts of a layer in two tensors, as transformers 5 holds them and writes on request
/// (save_original_format=False).
void Loader::fusedExperts(const std::string& prefix, LayerWeights& layer) {
    const std::int64_t count = m_config.num_experts;
    const std::int64_t hidden = m_config.hidden_size;
    const std::int64_t width = m_config.moe_intermediate_size;
    const Checked gate_up = take(prefix + "gate_up_proj", {count, 2 * width, hidden});
    const Checked down = take(prefix + "down_proj", {count, hidden, width});
    const std::int64_t gate_bytes = width * hidden * static_cast<std::int64_t>(kernels::bytesPerElement(gate_up.type));
    const std::int64_t down_bytes = width * hidden * static_cast<std::int64_t>(kernels::bytesPerElement(down.type));
    for (std::int64_t index = 0; index < count; ++index) {
        const std::byte* gate = gate_up.data + index * 2 * gate_bytes;
        layer.experts.push_back({.gate = {gate, gate_up.type, width, hidden},
                                 .up = {gate + gate_bytes, gate_up.type, width, hidden},
                                 .down = {down.data + index * down_bytes, down.type, hidden, width}});
    }
}

LayerWeights Loader::layer(std::int64_t index) {
    const std::string prefix = "model.layers." + std::to_string(index) + ".";
    LayerWeights layer;
    layer.input_norm = vector(prefix + "input_layernorm.weight", m_config.hidden_size);
    layer.post_attention_norm = vector(prefix + "post_attention_layernorm.weight", m_config.hidden_size);
    attention(prefix + "self_attn.", layer);
    if (!m_config.isMoeLayer(index)) {
        layer.experts.push_back(expert(prefix + "mlp.", m_config.intermediate_size));
        return layer;
    }
    layer.router = matrix(prefix + "mlp.gate.weight", m_config.num_experts, m_config.hidden_size);
    if (has(prefix + "mlp.experts.gate_up_proj")) {
        fusedExperts(prefix + "mlp.experts.", layer);
        return layer;
    }
    layer.experts.reserve(static_cast<std::size_t>(m_config.num_experts));
    for (std::int64_t id = 0; id < m_config.num_experts; ++id) {
        layer.experts.push_back(
            expert(prefix + "mlp.experts." + std::to_string(id) + ".", m_config.moe_intermediate_size));
    }
    return layer;
}

LoadedWeights Loader::load() {
    Weights& weights = m_loaded.weights;
    weights.embed_tokens = matrix("model.embed_tokens.weight", m_config.vocab_size, m_config.hidden_size);
    for (std::int64_t index = 0; index < m_config.num_hidden_layers; ++index) weights.layers.push_back(layer(index));
    weights.final_norm = vector("model.norm.weight", m_config.hidden_size);
    weights.lm_head = m_config.tie_word_embeddings
                          ? weights.embed_tokens
                          : matrix("lm_head.weight", m_config.vocab_size, m_config.hidden_size);
    m_loaded.unused = static_cast<std::size_t>(
        std::count_if(m_tensors.begin(), m_tensors.end(), [](const auto& entry) { return !entry.second.used; }));
    return std::move(m_loaded);
}

}  // namespace

LoadedWeights loadWeights(const ModelConfig& config, std::vector<NamedTensor> tensors, FiniteCheck check) {
    return Loader(config, std::move(tensors), check).load();
}

}  // namespace mixoscope
