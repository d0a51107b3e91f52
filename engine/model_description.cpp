#include "engine/model_description.h"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/json_text.h"
#include "engine/mapped_file.h"

namespace mixoscope {

namespace {

constexpr std::size_t kMostJsonBytes = 16U * 1024 * 1024;        // config files
constexpr std::size_t kMostTokenizerBytes = 256U * 1024 * 1024;  // the largest published are some 30 MB

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

}  // namespace

Model readModelDescription(const std::filesystem::path& directory, const Log& log) {
    requireDirectory(directory);
    Model model;
    model.directory = directory;
    model.name = directoryName(directory);
    readConfigs(directory, model);
    tell(log, "config.json: " + model.config.architecture + ", " + std::to_string(model.config.num_hidden_layers) +
                  " layers");
    readTokenizer(directory, model, log);
    return model;
}

Error errorInDirectory(const Error& error, const std::filesystem::path& directory) {
    ErrorParts parts = error.parts();
    if (!parts.where.starts_with(directory.string())) parts.where = directory.string() + ": " + parts.where;
    return Error(std::move(parts));
}

std::filesystem::path embeddedModelDirectory(std::string_view model, const std::filesystem::path& demo_directory) {
    return model == "demo" ? demo_directory : demo_directory.parent_path() / model;
}

Model openModelDescription(std::string_view model, const std::filesystem::path& demo_directory) {
    const bool embedded = isEmbeddedModel(model);
    const std::filesystem::path directory = embedded ? embeddedModelDirectory(model, demo_directory) : model;
    try {
        Model described = readModelDescription(directory, nullptr);
        if (embedded) described.name = model;
        return described;
    } catch (const Error& error) {
        throw errorInDirectory(error, directory);
    }
}

}  // namespace mixoscope
