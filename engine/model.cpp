#include "engine/model.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "engine/error.h"
#include "engine/json_text.h"
#include "engine/mapped_file.h"
#include "engine/memory_plan.h"
#include "engine/model_hash.h"
#include "engine/weights.h"

namespace mixoscope {

namespace {

constexpr std::string_view kDemo = "demo";
constexpr std::size_t kMostJsonBytes = 16U * 1024 * 1024;        // config files
constexpr std::size_t kMostIndexBytes = 64U * 1024 * 1024;       // the list of all tensors of a sharded checkpoint
constexpr std::size_t kMostTokenizerBytes = 256U * 1024 * 1024;  // the largest published are some 30 MB
constexpr std::int64_t kWholeCheckBytes = 256 * 1024 * 1024;     // up to here looking at every weight takes no time

using Log = std::function<void(std::string_view)>;

void tell(const Log& log, const std::string& line) {
    if (log) log(line);
}

bool isThere(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

void requireDirectory(const std::filesystem::path& directory) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(directory, error);
    if (status.type() == std::filesystem::file_type::not_found) {
        throw Error(
            {.what = "There is no such model",
             .where = directory.string(),
             .expected = "demo, demo-top1, demo-any, random:NAME, or a directory with config.json and *.safetensors",
             .found = "no such file or directory"});
    }
    if (error) {
        throw Error(
            {.what = "This model directory cannot be opened", .where = directory.string(), .found = error.message()});
    }
    if (status.type() != std::filesystem::file_type::directory) {
        throw Error({.what = "This is not a model directory",
                     .where = directory.string(),
                     .expected = "a directory with config.json and *.safetensors",
                     .found = "a file",
                     .advice = "Name the directory that holds it"});
    }
    if (!isThere(directory / "config.json")) {
        throw Error({.what = "This directory holds no model",
                     .where = directory.string(),
                     .expected = "a file config.json beside *.safetensors"});
    }
}

/// The last part of the path, also of "." and of paths that end with a slash.
std::string directoryName(const std::filesystem::path& directory) {
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::absolute(directory, error).lexically_normal();
    return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

/// The weights' files of a directory and, for a sharded checkpoint, which tensor each must hold.
struct WeightFiles {
    std::vector<std::string> names;
    ShardIndex index;
};

WeightFiles findWeightFiles(const std::filesystem::path& directory) {
    if (isThere(directory / "model.safetensors")) return {{"model.safetensors"}, {}};
    constexpr std::string_view kIndex = "model.safetensors.index.json";
    if (!isThere(directory / kIndex)) {
        throw Error({.what = "This directory holds no weights that can be read",
                     .where = directory.string(),
                     .expected = "model.safetensors, or model.safetensors.index.json and the shards that it names"});
    }
    const std::vector<std::byte> json = readSmallFile(directory / kIndex, kMostIndexBytes);
    WeightFiles files;
    files.index = parseShardIndex(json, kIndex);
    files.names = files.index.files();
    for (const std::string& name : files.names) {
        if (isThere(directory / name)) continue;
        throw Error({.what = "A shard is missing", .where = std::string(kIndex), .expected = "a file " + name});
    }
    return files;
}

void checkIndex(const ShardIndex& index, std::span<const NamedTensor> tensors) {
    std::unordered_map<std::string_view, std::string_view> file_of;
    for (const NamedTensor& tensor : tensors) file_of.emplace(tensor.view.name, tensor.file_name);
    for (const ShardIndex::Entry& entry : index.entries) {
        const auto found = file_of.find(entry.tensor);
        if (found != file_of.end() && found->second == entry.file) continue;
        throw Error({.what = "This tensor is not in the shard that the index names",
                     .where = "model.safetensors.index.json, tensor " + entry.tensor,
                     .expected = entry.file,
                     .found = found == file_of.end() ? "no such tensor" : std::string(found->second)});
    }
}

void checkEndTokens(const Model& model, std::string_view file_name) {
    for (const TokenId id : model.generation_config.eos_token_ids) {
        if (id < model.config.vocab_size) continue;
        throw Error({.what = "This token is not in the vocabulary",
                     .where = std::string(file_name) + ", field eos_token_id",
                     .expected = "less than vocab_size, " + std::to_string(model.config.vocab_size),
                     .found = std::to_string(id)});
    }
}

/// config.json and generation_config.json; the end tokens may stand in either.
void readConfigs(const std::filesystem::path& directory, Model& model) {
    const std::vector<std::byte> config = readSmallFile(directory / "config.json", kMostJsonBytes);
    model.config = parseModelConfig(config, "config.json");
    if (isThere(directory / "generation_config.json")) {
        const std::vector<std::byte> json = readSmallFile(directory / "generation_config.json", kMostJsonBytes);
        model.generation_config = parseGenerationConfig(json, "generation_config.json");
        checkEndTokens(model, "generation_config.json");
    }
    if (model.generation_config.eos_token_ids.empty()) {
        model.generation_config.eos_token_ids = parseGenerationConfig(config, "config.json").eos_token_ids;
        checkEndTokens(model, "config.json");
    }
}

/// The chat template's text: a file of its own, or a field that is a text or a list of named texts.
std::string readChatTemplate(const std::filesystem::path& directory) {
    if (isThere(directory / "chat_template.jinja")) {
        const std::vector<std::byte> text = readSmallFile(directory / "chat_template.jinja", kMostJsonBytes);
        return {reinterpret_cast<const char*>(text.data()), text.size()};
    }
    if (!isThere(directory / "tokenizer_config.json")) return {};
    const std::vector<std::byte> json = readSmallFile(directory / "tokenizer_config.json", kMostJsonBytes);
    const nlohmann::json root = parseJsonText(json, "tokenizer_config.json", kDownloadAgain);
    const JsonFields fields(root, "tokenizer_config.json");
    const nlohmann::json* value = fields.find("chat_template");
    if (value == nullptr) return {};
    if (!value->is_array()) return *fields.optionalText("chat_template");
    for (const nlohmann::json& entry : *value) {
        const JsonFields named(entry, fields.at("chat_template"));
        if (named.optionalText("name") == "default") return named.optionalText("template").value_or("");
    }
    return {};
}

void readTokenizer(const std::filesystem::path& directory, Model& model, const Log& log) {
    if (isThere(directory / "tokenizer.json")) {
        const std::vector<std::byte> json = readSmallFile(directory / "tokenizer.json", kMostTokenizerBytes);
        model.tokenizer = Tokenizer::fromJson(json, "tokenizer.json", model.config.vocab_size);
        tell(log, "tokenizer.json: " + std::to_string(model.tokenizer->size()) + " tokens");
    } else {
        tell(log, "no tokenizer.json: this model takes token ids only");
    }
    model.thinking_support = thinkingSupport(readChatTemplate(directory));
}

std::int64_t elementsOf(const TensorInfo& tensor) {
    return tensor.bytes / static_cast<std::int64_t>(kernels::bytesPerElement(tensor.type));
}

std::int64_t bytesOf(const kernels::ExpertMatrices& expert) {
    return expert.gate.bytes() + expert.up.bytes() + expert.down.bytes();
}

}  // namespace

Model::Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
    forgetModelHash(other);
    return *this;
}
Model::~Model() {
    forgetModelHash(*this);
}

std::int64_t Model::bytesPerDecodedToken(std::int64_t experts_per_token) const {
    const std::int64_t row =
        weights.embed_tokens.rows > 0 ? weights.embed_tokens.bytes() / weights.embed_tokens.rows : 0;
    std::int64_t bytes = row + weights.lm_head.bytes();
    for (const LayerWeights& layer : weights.layers) {
        bytes += layer.q_proj.bytes() + layer.k_proj.bytes() + layer.v_proj.bytes() + layer.o_proj.bytes();
        if (layer.router.empty()) {
            bytes += bytesOf(layer.experts.front());
        } else {
            bytes += layer.router.bytes() + experts_per_token * bytesOf(layer.experts.front());
        }
    }
    return bytes;
}

std::vector<std::int64_t> Model::expertBytes() const {
    std::vector<std::int64_t> bytes;
    for (const LayerWeights& layer : weights.layers) {
        if (!layer.router.empty()) bytes.push_back(bytesOf(layer.experts.front()));
    }
    return bytes;
}

std::int64_t Model::parameterCount() const {
    std::int64_t count = 0;
    for (const TensorInfo& tensor : tensors) count += elementsOf(tensor);
    return count;
}

std::int64_t Model::activeParameterCount() const {
    const std::int64_t expert = 3 * config.moe_intermediate_size * config.hidden_size;
    return parameterCount() - config.moeLayerCount() * (config.num_experts - config.num_experts_per_tok) * expert;
}

void Model::checkFiles() const {
    for (const std::shared_ptr<MappedFile>& file : m_mappings) {
        if (!file->wasCutShort()) continue;
        throw Error({.what = "This file has been cut short since it was opened",
                     .where = file->path().string(),
                     .expected = std::to_string(file->bytes().size()) + " bytes",
                     .advice = "Restore it and open the model again"});
    }
}

Model openModelDirectory(const std::filesystem::path& directory, const Log& log) try {
    requireDirectory(directory);
    Model model;
    model.directory = directory;
    model.name = directoryName(directory);
    readConfigs(directory, model);
    tell(log, "config.json: " + model.config.architecture + ", " + std::to_string(model.config.num_hidden_layers) +
                  " layers");
    readTokenizer(directory, model, log);

    const WeightFiles files = findWeightFiles(directory);
    std::vector<NamedTensor> tensors;
    std::int64_t bytes = 0;
    for (const std::string& name : files.names) {
        const std::shared_ptr<MappedFile> file = MappedFile::open(directory / name);
        for (TensorView& view : parseSafetensors(file->bytes(), name)) tensors.push_back({std::move(view), name});
        bytes += static_cast<std::int64_t>(file->bytes().size());
        model.files.push_back({directory / name, static_cast<std::int64_t>(file->bytes().size())});
        model.m_mappings.push_back(file);
    }
    checkIndex(files.index, tensors);
    const FiniteCheck check = bytes <= kWholeCheckBytes ? FiniteCheck::kEveryValue : FiniteCheck::kOneRow;
    LoadedWeights loaded = loadWeights(model.config, std::move(tensors), check);
    model.weights = std::move(loaded.weights);
    model.tensors = std::move(loaded.tensors);
    model.m_owned = std::move(loaded.copies);
    model.rotary = makeRotaryTable(model.config);
    tell(log, std::to_string(files.names.size()) + (files.names.size() == 1 ? " file" : " files") + " of weights, " +
                  describeBytes(bytes) + ", " + std::to_string(model.tensors.size()) + " tensors");
    if (loaded.unused > 0) tell(log, std::to_string(loaded.unused) + " tensors are not used by this architecture");
    return model;
} catch (const Error& error) {
    // Who reads a file knows its name; which of many directories it lies in is known here.
    ErrorParts parts = error.parts();
    if (!parts.where.starts_with(directory.string())) parts.where = directory.string() + ": " + parts.where;
    throw Error(std::move(parts));
}

bool isEmbeddedModel(std::string_view model) {
    return model == kDemo || model == "demo-top1" || model == "demo-any";
}

Model openModel(std::string_view model, const std::filesystem::path& demo_directory, const Log& log) {
    constexpr std::string_view kRandom = "random:";
    if (model.empty()) {
        throw Error({.what = "No model is named",
                     .expected = "demo, demo-top1, demo-any, random:NAME[:TYPE] or a directory",
                     .found = "an empty text"});
    }
    if (isEmbeddedModel(model)) {
        Model embedded =
            openModelDirectory(model == kDemo ? demo_directory : demo_directory.parent_path() / model, log);
        embedded.name = model;
        return embedded;
    }
    if (model.substr(0, kRandom.size()) == kRandom) return makeRandomModel(model.substr(kRandom.size()));
    return openModelDirectory(model, log);
}

}  // namespace mixoscope
