#include "sessions/loaded_model.h"

#include <utility>

#include "engine/device_processor.h"
#include "engine/host_processor.h"
#include "engine/model_hash.h"
#include "sessions/session_model.h"

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

    loaded->identity = sessionModelOf(model);
    return loaded;
}

}  // namespace mixoscope
