// A checkpoint in memory: const after loading, shared by all lanes. Weights stay in the mapped files.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/chat_template.h"
#include "engine/config.h"
#include "engine/tokenizer.h"
#include "kernels/types.h"

namespace mixoscope {

class MappedFile;

struct LayerWeights {
    std::vector<float> input_norm;                      // (hidden_size)
    std::vector<float> post_attention_norm;             // (hidden_size)
    kernels::Matrix q_proj;                             // (num_attention_heads * head_dim, hidden_size)
    kernels::Matrix k_proj;                             // (num_key_value_heads * head_dim, hidden_size)
    kernels::Matrix v_proj;                             // (num_key_value_heads * head_dim, hidden_size)
    kernels::Matrix o_proj;                             // (hidden_size, num_attention_heads * head_dim)
    std::vector<float> q_bias, k_bias, v_bias, o_bias;  // empty unless attention_bias
    std::vector<float> q_norm, k_norm;                  // (head_dim)
    kernels::Matrix router;                             // (num_experts, hidden_size), empty in a dense layer
    std::vector<kernels::ExpertMatrices> experts;  // (num_experts), one "expert" with the dense widths in a dense layer
};

struct Weights {
    kernels::Matrix embed_tokens;  // (vocab_size, hidden_size)
    std::vector<LayerWeights> layers;
    std::vector<float> final_norm;  // (hidden_size)
    kernels::Matrix lm_head;        // (vocab_size, hidden_size); the embedding when tied
};

/// A file that the model was read from, for a session's identity record.
struct ModelFile {
    std::filesystem::path path;
    std::int64_t bytes = 0;
};

/// Names and sizes of every tensor, for `info`.
struct TensorInfo {
    std::string name;
    kernels::DataType type;
    std::vector<std::int64_t> shape;
    std::int64_t bytes = 0;
};

class Model {
public:
    Model();
    Model(Model&&) noexcept;
    Model& operator=(Model&&) noexcept;
    ~Model();

    std::string name;  // shown to people: "demo", the directory's name, the random spec
    std::filesystem::path directory;
    ModelConfig config;
    GenerationConfig generation_config;
    RotaryTable rotary;
    Weights weights;
    std::optional<Tokenizer> tokenizer;  // absent for random models
    ThinkingSupport thinking_support = ThinkingSupport::kHybrid;
    std::vector<ModelFile> files;
    std::vector<TensorInfo> tensors;

    /// Bytes of weights read to decode one token with k experts a layer (embedding row, all attention, router, k
    /// experts, output projection).
    std::int64_t bytesPerDecodedToken(std::int64_t experts_per_token) const;
    /// (MoE layers) bytes of the weights of one expert.
    std::vector<std::int64_t> expertBytes() const;
    std::int64_t parameterCount() const;
    std::int64_t activeParameterCount() const;

    /// Throws Error when a mapped file has been cut short since it was opened: reading it would end the program. To be
    /// asked before each turn. Files that were deleted are no problem.
    void checkFiles() const;

private:
    friend Model openModelDirectory(const std::filesystem::path&, const std::function<void(std::string_view)>&);
    friend Model makeRandomModel(std::string_view);
    std::vector<std::shared_ptr<MappedFile>> m_mappings;  // keep `weights` alive
    std::vector<std::vector<std::byte>> m_owned;          // storage of weights that are not mapped
};

/// Opens a Hugging Face directory: config.json, generation_config.json, tokenizer.json, tokenizer_config.json and
/// *.safetensors (one file or shards with an index). Everything is checked before it returns; `log`, if set, is told
/// each step in a line. Throws Error naming file and field.
Model openModelDirectory(const std::filesystem::path& directory,
                         const std::function<void(std::string_view)>& log = nullptr);

/// Random weights of a named shape, for speed work without a download: "NAME[:TYPE]", TYPE one of f32, f16, bf16
/// (default bf16). Names: see randomModelNames(). Deterministic. Throws Error for an unknown name.
Model makeRandomModel(std::string_view spec);
std::vector<std::string> randomModelNames();

/// Whether the name is that of a model which comes with the program: "demo", or another member of its family,
/// "demo-top1" or "demo-any".
bool isEmbeddedModel(std::string_view model);

/// What a person writes after --model: an embedded model, "random:NAME[:TYPE]" or a directory. "demo" is looked for in
/// `demo_directory`, its relatives in the folders of their names beside it.
Model openModel(std::string_view model, const std::filesystem::path& demo_directory,
                const std::function<void(std::string_view)>& log = nullptr);

}  // namespace mixoscope
