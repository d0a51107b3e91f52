#include "sessions/loaded_model.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/device_processor.h"
#include "engine/host_processor.h"
#include "engine/model_hash.h"

namespace mixoscope {

namespace {

std::string typeName(kernels::DataType type) {
    switch (type) {
        case kernels::DataType::kF32:
            return "F32";
        case kernels::DataType::kF16:
            return "F16";
        case kernels::DataType::kBF16:
            return "BF16";
    }
    return {};
}

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

std::unique_ptr<Processor> makeProcessor(const Model& model, const std::string& backend, int threads, int device,
                                         const std::function<void(std::string_view)>& log) {
    if (backend == "cpu") return std::make_unique<HostProcessor>(kernels::makeCpuBackend(threads));
    if (backend == "reference") return std::make_unique<HostProcessor>(kernels::makeReferenceBackend());
    if (backend == "cuda") return makeCudaProcessor(model, device, log);
    throw Error({.what = "Unknown back end",
                 .where = "back end",
                 .expected = "cpu, cuda or reference",
                 .found = backend,
                 .advice = {}});
}

std::string modelDescription(const ModelConfig& config, std::string_view type) {
    std::string text = std::to_string(config.num_hidden_layers) + " layers";
    if (config.moeLayerCount() > 0) {
        if (config.moeLayerCount() != config.num_hidden_layers)
            text += ", " + std::to_string(config.moeLayerCount()) + " of them MoE";
        text +=
            " × " + std::to_string(config.num_experts) + " experts, top-" + std::to_string(config.num_experts_per_tok);
    } else {
        text += ", dense";
    }
    if (!type.empty()) text += ", " + std::string(type);
    return text;
}

std::string LoadedModel::tokenBytes(TokenId id) const {
    return model.tokenizer ? std::string(model.tokenizer->bytes(id)) : std::string();
}

SamplingSettings LoadedModel::sampling(ThinkingMode mode) const {
    const bool thinking = mode != ThinkingMode::kNoThink;
    SamplingSettings settings = defaultSampling(thinking);
    const bool own_mode = (model.thinking_support != ThinkingSupport::kNever) == thinking;
    if (!own_mode) return settings;
    const GenerationConfig& config = model.generation_config;
    settings.temperature = config.temperature.value_or(settings.temperature);
    settings.top_p = config.top_p.value_or(settings.top_p);
    settings.top_k = config.top_k.value_or(settings.top_k);
    settings.min_p = config.min_p.value_or(settings.min_p);
    return settings;
}

ThinkingMode LoadedModel::possibleMode(ThinkingMode wanted) const {
    switch (model.thinking_support) {
        case ThinkingSupport::kNever:
            return ThinkingMode::kNoThink;
        case ThinkingSupport::kAlways:
            return ThinkingMode::kThink;
        case ThinkingSupport::kHybrid:
            break;
    }
    return wanted;
}

std::shared_ptr<LoadedModel> loadModel(const std::string& name, const WorkbenchOptions& options,
                                       const std::function<void(std::string_view)>& log) {
    auto loaded = std::make_shared<LoadedModel>();
    loaded->model = openModel(name, options.demo_directory, log);
    loaded->backend = makeProcessor(loaded->model, options.backend, options.threads, options.device, log);
    const Model& model = loaded->model;

    ModelFacts& facts = loaded->facts;
    facts.name = model.name;
    facts.directory = model.directory.string();
    facts.description = modelDescription(model.config, typeName(model.weights.embed_tokens.type));
    facts.backend = loaded->backend->name();
    facts.config = model.config;
    facts.thinking_support = model.thinking_support;
    facts.moe_layers = model.config.moeLayers();
    for (const TensorInfo& tensor : model.tensors) facts.weight_bytes += tensor.bytes;
    // Here, rather than when a policy with a calibration is first tried, on whichever thread that is.
    facts.hash = rememberedModelHash(model);

    SessionModel& identity = loaded->identity;
    identity.name = facts.name;
    identity.directory = facts.directory;
    identity.config_json = configText(model);
    identity.files_json = filesText(model);
    identity.moe_layers = facts.moe_layers;
    identity.weights_sum_to_one = model.config.norm_topk_prob;
    identity.experts_per_token = static_cast<std::int32_t>(model.config.num_experts_per_tok);
    return loaded;
}

}  // namespace mixoscope
