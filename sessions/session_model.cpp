#include "sessions/session_model.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "engine/model_hash.h"

namespace mixoscope {

namespace {

/// The file as it is; a model without one (random weights) is described by the figures that config.json would have.
std::string configText(const Model& model) {
    std::ifstream file(model.directory / "config.json", std::ios::binary);
    if (!model.directory.empty() && file)
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const ModelConfig& config = model.config;
    const nlohmann::json object = {{"architectures", {config.architecture}},
                                   {"vocab_size", config.vocab_size},
                                   {"hidden_size", config.hidden_size},
                                   {"intermediate_size", config.intermediate_size},
                                   {"num_hidden_layers", config.num_hidden_layers},
                                   {"num_attention_heads", config.num_attention_heads},
                                   {"num_key_value_heads", config.num_key_value_heads},
                                   {"head_dim", config.head_dim},
                                   {"max_position_embeddings", config.max_position_embeddings},
                                   {"num_experts", config.num_experts},
                                   {"num_experts_per_tok", config.num_experts_per_tok},
                                   {"moe_intermediate_size", config.moe_intermediate_size},
                                   {"norm_topk_prob", config.norm_topk_prob},
                                   {"tie_word_embeddings", config.tie_word_embeddings}};
    return object.dump();
}

/// Everything that decides what the model says: its weights, and the small files beside them that are there.
std::string filesText(const Model& model) {
    nlohmann::json files = nlohmann::json::array();
    const auto add = [&](const std::filesystem::path& path, std::int64_t bytes) {
        files.push_back({{"path", path.string()}, {"bytes", bytes}, {"hash", fileHash(path)}});
    };
    for (const ModelFile& file : model.files) add(file.path, file.bytes);
    for (const char* name :
         {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
        if (model.files.empty()) break;  // random weights
        std::error_code absent;
        const auto bytes = std::filesystem::file_size(model.directory / name, absent);
        if (!absent) add(model.directory / name, static_cast<std::int64_t>(bytes));
    }
    return files.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

SessionModel sessionModelOf(const Model& model) {
    SessionModel identity;
    identity.name = model.name;
    identity.directory = model.directory.string();
    identity.config_json = configText(model);
    identity.files_json = filesText(model);
    identity.moe_layers = model.config.moeLayers();
    identity.weights_sum_to_one = model.config.norm_topk_prob;
    identity.experts_per_token = static_cast<std::int32_t>(model.config.num_experts_per_tok);
    return identity;
}

}  // namespace mixoscope
