#include "engine/model.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "engine/error.h"
#include "engine/json_text.h"
#include "engine/mapped_file.h"
#include "engine/memory_plan.h"
#include "engine/model_description.h"
#include "engine/model_hash.h"
#include "engine/weights.h"

namespace mixoscope {

namespace {

constexpr std::string_view kDemo = "demo";
constexpr std::size_t kMostIndexBytes = 64U * 1024 * 1024;    // the list of all tensors of a sharded checkpoint
constexpr std::int64_t kWholeCheckBytes = 256 * 1024 * 1024;  // up to here looking at every weight takes no time

using Log = std::function<void(std::string_view)>;

void tell(const Log& log, const std::string& line) {
    if (log) log(line);
}

bool isThere(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
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
    Model model = readModelDescription(directory, log);
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
    throw errorInDirectory(error, directory);
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
        Model embedded = openModelDirectory(embeddedModelDirectory(model, demo_directory), log);
        embedded.name = model;
        return embedded;
    }
    if (model.substr(0, kRandom.size()) == kRandom) return makeRandomModel(model.substr(kRandom.size()));
    return openModelDirectory(model, log);
}

}  // namespace mixoscope
