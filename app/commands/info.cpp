// `mixoscope info`: what a model is, read from its files.
#include <iomanip>
#include <nlohmann/json.hpp>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/routing_policy.h"

namespace mixoscope {

namespace {

const char* typeName(kernels::DataType type) {
    switch (type) {
        case kernels::DataType::kF32:
            return "F32";
        case kernels::DataType::kF16:
            return "F16";
        case kernels::DataType::kBF16:
            return "BF16";
    }
    return "?";
}

const char* supportName(ThinkingSupport support) {
    switch (support) {
        case ThinkingSupport::kHybrid:
            return "hybrid";
        case ThinkingSupport::kNever:
            return "never";
        case ThinkingSupport::kAlways:
            return "always";
    }
    return "?";
}

std::int64_t weightBytes(const Model& model) {
    std::int64_t bytes = 0;
    for (const TensorInfo& tensor : model.tensors) bytes += tensor.bytes;
    return bytes;
}

nlohmann::json configJson(const ModelConfig& config) {
    nlohmann::json json = {{"architecture", config.architecture},
                           {"vocab_size", config.vocab_size},
                           {"hidden_size", config.hidden_size},
                           {"intermediate_size", config.intermediate_size},
                           {"num_hidden_layers", config.num_hidden_layers},
                           {"num_attention_heads", config.num_attention_heads},
                           {"num_key_value_heads", config.num_key_value_heads},
                           {"head_dim", config.head_dim},
                           {"max_position_embeddings", config.max_position_embeddings},
                           {"rms_norm_eps", config.rms_norm_eps},
                           {"attention_bias", config.attention_bias},
                           {"tie_word_embeddings", config.tie_word_embeddings},
                           {"rope_theta", config.rope.theta},
                           {"rope_type", config.rope.yarn ? "yarn" : "default"},
                           {"num_experts", config.num_experts},
                           {"num_experts_per_tok", config.num_experts_per_tok},
                           {"moe_intermediate_size", config.moe_intermediate_size},
                           {"norm_topk_prob", config.norm_topk_prob},
                           {"decoder_sparse_step", config.decoder_sparse_step},
                           {"mlp_only_layers", config.mlp_only_layers}};
    if (config.rope.yarn) json["rope_factor"] = config.rope.factor;
    return json;
}

nlohmann::json infoJson(const Model& model) {
    nlohmann::json tensors = nlohmann::json::array();
    for (const TensorInfo& tensor : model.tensors) {
        tensors.push_back(
            {{"name", tensor.name}, {"type", typeName(tensor.type)}, {"shape", tensor.shape}, {"bytes", tensor.bytes}});
    }
    nlohmann::json files = nlohmann::json::array();
    for (const ModelFile& file : model.files) files.push_back({{"path", file.path.string()}, {"bytes", file.bytes}});
    nlohmann::json policies = nlohmann::json::array();
    for (const PolicySpec& spec : policySpecs(model.config)) policies.push_back(spec.name);
    return {{"name", model.name},
            {"directory", model.directory.string()},
            {"config", configJson(model.config)},
            {"eos_token_ids", model.generation_config.eos_token_ids},
            {"thinking", supportName(model.thinking_support)},
            {"tokenizer", model.tokenizer.has_value()},
            {"moe_layers", model.config.moeLayers()},
            {"policies", policies},
            {"parameters", model.parameterCount()},
            {"active_parameters", model.activeParameterCount()},
            {"weight_bytes", weightBytes(model)},
            {"bytes_per_decoded_token", model.bytesPerDecodedToken(model.config.num_experts_per_tok)},
            {"files", files},
            {"tensors", tensors}};
}

std::string experts(const ModelConfig& config) {
    if (config.num_experts == 0) return "none (dense)";
    return std::to_string(config.num_experts) + " in each of " + std::to_string(config.moeLayerCount()) +
           " layers, top " + std::to_string(config.num_experts_per_tok) + ", width " +
           std::to_string(config.moe_intermediate_size) + (config.norm_topk_prob ? ", weights renormalised" : "");
}

void writeText(const Model& model, std::ostream& out) {
    const ModelConfig& config = model.config;
    const auto line = [&](const char* label, const std::string& value) {
        out << std::left << std::setw(24) << label << value << '\n';
    };
    const auto millions = [](std::int64_t count) {
        std::ostringstream text;
        text << std::fixed << std::setprecision(2) << static_cast<double>(count) / 1e6 << " M";
        return text.str();
    };
    line("Model", model.name + " (" + config.architecture + ")");
    if (!model.directory.empty()) line("Directory", model.directory.string());
    line("Layers", std::to_string(config.num_hidden_layers) + ", hidden size " + std::to_string(config.hidden_size));
    line("Attention", std::to_string(config.num_attention_heads) + " heads, " +
                          std::to_string(config.num_key_value_heads) + " for keys and values, of " +
                          std::to_string(config.head_dim));
    line("Experts", experts(config));
    line("Context", std::to_string(config.max_position_embeddings) + " tokens");
    line("Vocabulary", std::to_string(config.vocab_size) + (model.tokenizer ? "" : ", no tokenizer"));
    line("Thinking", supportName(model.thinking_support));
    line("Parameters", millions(model.parameterCount()) + ", " + millions(model.activeParameterCount()) + " active");
    line("Weights",
         std::to_string(weightBytes(model)) + " bytes in " + std::to_string(model.tensors.size()) + " tensors");
    line("Read to decode a token", std::to_string(model.bytesPerDecodedToken(config.num_experts_per_tok)) + " bytes");
}

struct InfoOptions {
    ModelOptions model;
    bool json = false;
};

}  // namespace

void addInfoCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<InfoOptions>();
    CLI::App* command = program.add_subcommand("info", "What a model is: configuration, tensors, sizes");
    options->model.addModel(*command);
    command->add_flag("--json", options->json, "As one JSON object");
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) {
            const Model model = options->model.open();
            if (options->json) {
                streams.out << infoJson(model).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
            } else {
                writeText(model, streams.out);
            }
            return kDone;
        };
    });
}

}  // namespace mixoscope
