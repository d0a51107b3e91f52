#include "sessions/recorded_model_files.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/model.h"

namespace mixoscope {

namespace {

constexpr const char* kOtherModel = "The model on disk is not the one recorded";

struct RecordedFile {
    std::filesystem::path path;
    std::int64_t bytes = -1;
    std::string hash;  // empty: not recorded
};

/// By their names: the model may lie elsewhere by now.
std::map<std::string, RecordedFile> filesOf(const SessionModel& model) {
    std::map<std::string, RecordedFile> files;
    const auto listed = nlohmann::json::parse(model.files_json, nullptr, false);
    if (!listed.is_array()) return files;
    for (const auto& entry : listed) {
        if (!entry.is_object() || !entry.contains("path") || !entry["path"].is_string()) continue;
        RecordedFile file;
        file.path = entry["path"].get<std::string>();
        if (entry.contains("bytes") && entry["bytes"].is_number_integer()) file.bytes = entry["bytes"];
        if (entry.contains("hash") && entry["hash"].is_string()) file.hash = entry["hash"];
        files[file.path.filename().string()] = std::move(file);
    }
    return files;
}

std::string describe(const RecordedFile& file) {
    std::string text = std::to_string(file.bytes) + " bytes";
    if (!file.hash.empty()) text += ", hash " + file.hash;
    return text;
}

bool differ(const RecordedFile& recorded, const RecordedFile& loaded) {
    if (recorded.bytes >= 0 && recorded.bytes != loaded.bytes) return true;
    return !recorded.hash.empty() && recorded.hash != loaded.hash;
}

}  // namespace

ModelAtHand lookForModelFiles(const std::string& files_json, const std::filesystem::path& directory) {
    using Verdict = ModelAtHand::Verdict;
    const auto files = nlohmann::json::parse(files_json, nullptr, false);
    if (!files.is_array() || files.empty()) return {};
    for (const auto& file : files) {
        if (!file.is_object() || !file.contains("path") || !file["path"].is_string()) return {};
        const std::filesystem::path path = directory / std::filesystem::path(file["path"].get<std::string>());
        std::error_code failure;
        const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, failure));
        if (failure) return {.verdict = Verdict::kAbsent, .detail = path.string() + " is not there"};
        if (!file.contains("bytes") || !file["bytes"].is_number_integer()) continue;
        const auto recorded = file["bytes"].get<std::int64_t>();
        if (bytes != recorded)
            return {
                .verdict = Verdict::kOtherFiles,
                .detail = path.string() + " has " + std::to_string(bytes) + " bytes, then " + std::to_string(recorded)};
    }
    return {.verdict = Verdict::kSameFiles, .detail = {}};
}

std::string nameOfRecordedModel(const SessionModel& recorded, const std::filesystem::path& demo_directory) {
    if (recorded.directory.empty()) {
        if (!recorded.name.empty()) return recorded.name;
        throw Error({.what = "The recording does not name its model", .expected = "a directory or a name"});
    }
    std::error_code failure;
    const std::filesystem::path directory = recorded.directory;
    const bool there = std::filesystem::exists(directory / "config.json", failure);
    if (isEmbeddedModel(recorded.name)) {
        const std::filesystem::path embedded =
            recorded.name == "demo" ? demo_directory : demo_directory.parent_path() / recorded.name;
        if (!there || std::filesystem::equivalent(directory, embedded, failure)) return recorded.name;
    }
    if (!there)
        throw Error({.what = "The model of the recording is not there any more",
                     .where = recorded.name,
                     .expected = directory.string(),
                     .advice = "Put it back there"});
    return directory.string();
}

std::optional<ErrorParts> differenceOfModels(const SessionModel& recorded, const SessionModel& loaded) {
    const std::map<std::string, RecordedFile> then = filesOf(recorded);
    const std::map<std::string, RecordedFile> now = filesOf(loaded);
    const bool has_hashes = std::ranges::any_of(then, [](const auto& file) { return !file.second.hash.empty(); });
    for (const auto& [name, file] : then) {
        const auto found = now.find(name);
        if (found == now.end())
            return ErrorParts{
                .what = kOtherModel, .where = file.path.string(), .expected = describe(file), .found = "no such file"};
        if (differ(file, found->second))
            return ErrorParts{.what = kOtherModel,
                              .where = found->second.path.string(),
                              .expected = describe(file) + ", as recorded",
                              .found = describe(found->second)};
    }
    for (const auto& [name, file] : now) {
        if (then.contains(name) || !has_hashes) continue;  // older sessions name the weights alone
        return ErrorParts{.what = kOtherModel,
                          .where = file.path.string(),
                          .expected = "no such file, as when it was recorded",
                          .found = describe(file)};
    }
    // Random weights are told apart by their figures.
    if (then.empty() && now.empty() && recorded.config_json != loaded.config_json)
        return ErrorParts{
            .what = kOtherModel, .where = loaded.name, .expected = recorded.config_json, .found = loaded.config_json};
    if (then.empty() != now.empty())
        return ErrorParts{.what = kOtherModel,
                          .where = loaded.name,
                          .expected = then.empty() ? "a model without files" : "its files",
                          .found = now.empty() ? "a model without files" : "a model with files"};
    return std::nullopt;
}

}  // namespace mixoscope
