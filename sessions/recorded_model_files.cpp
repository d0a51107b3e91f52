#include "sessions/recorded_model_files.h"

#include <nlohmann/json.hpp>

namespace mixoscope {

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

}  // namespace mixoscope
