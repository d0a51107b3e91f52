#include "engine/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <fstream>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/json_text.h"
#include "engine/mapped_file.h"

namespace mixoscope {

namespace {

constexpr const char* kFormat = "mixoscope-calibration";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kLargestFile = std::size_t{1} << 30;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMostLayers = 4096;
constexpr std::size_t kMostExperts = 65536;

constexpr std::array<std::string_view, 6> kScoreNames = {"reap", "frequency", "weighted-frequency",
                                                         "ean",  "ean-mean",  "weighted-ean"};

[[noreturn]] void failField(const JsonFields& fields, std::string_view key, std::string expected) {
    const nlohmann::json* value = fields.find(key);
    throw Error({.what = "A field of the calibration does not fit",
                 .where = fields.at(key),
                 .expected = std::move(expected),
                 .found = value == nullptr ? "nothing" : describeJson(*value)});
}

std::string requiredText(const JsonFields& fields, std::string_view key) {
    const auto text = fields.optionalText(key);
    if (!text) failField(fields, key, "a text");
    return *text;
}

std::vector<std::int64_t> counts(const JsonFields& fields, std::string_view key, std::size_t size) {
    std::vector<std::int64_t> values = fields.integers(key, 0, kMost / (1 << 20));
    if (values.size() != size) failField(fields, key, std::to_string(size) + " whole numbers");
    return values;
}

std::vector<double> sums(const JsonFields& fields, std::string_view key, std::size_t size) {
    const std::string expected = std::to_string(size) + " numbers of at least 0";
    const nlohmann::json* list = fields.find(key);
    if (list == nullptr || !list->is_array() || list->size() != size) failField(fields, key, expected);
    std::vector<double> values;
    for (const nlohmann::json& item : *list) {
        const double value = item.is_number() ? item.get<double>() : -1.0;
        if (!std::isfinite(value) || value < 0.0) failField(fields, key, expected);
        values.push_back(value);
    }
    return values;
}

LayerCalibration readLayer(const nlohmann::json& object, const std::string& where) {
    const JsonFields fields(object, where);
    const nlohmann::json* tokens = fields.find("tokens");
    if (tokens == nullptr || !tokens->is_array() || tokens->empty() || tokens->size() > kMostExperts)
        failField(fields, "tokens", "a list with one number for each expert");
    const std::size_t experts = tokens->size();
    LayerCalibration layer;
    layer.last_to_first = UnitHistogram(counts(fields, "last_to_first", UnitHistogram::kBins));
    layer.entropy = UnitHistogram(counts(fields, "entropy", UnitHistogram::kBins));
    layer.tokens = counts(fields, "tokens", experts);
    layer.weight_sums = sums(fields, "weight_sums", experts);
    layer.norm_sums = sums(fields, "norm_sums", experts);
    layer.weighted_norm_sums = sums(fields, "weighted_norm_sums", experts);
    return layer;
}

}  // namespace

void UnitHistogram::add(double value) {
    const double clamped = std::clamp(value, 0.0, 1.0);
    const auto bin = static_cast<std::size_t>(clamped * static_cast<double>(m_counts.size()));
    ++m_counts[std::min(bin, m_counts.size() - 1)];
}

std::int64_t UnitHistogram::total() const {
    std::int64_t sum = 0;
    for (const std::int64_t count : m_counts) sum += count;
    return sum;
}

double UnitHistogram::quantile(double q) const {
    const double wanted = q * static_cast<double>(total());
    std::int64_t below = 0;
    std::size_t bin = 0;
    while (bin < m_counts.size() && static_cast<double>(below) < wanted) below += m_counts[bin++];
    return static_cast<double>(bin) / static_cast<double>(m_counts.size());
}

Calibration emptyCalibration(const ModelConfig& config) {
    LayerCalibration layer;
    const auto experts = static_cast<std::size_t>(config.num_experts);
    layer.tokens.assign(experts, 0);
    layer.weight_sums = layer.norm_sums = layer.weighted_norm_sums = std::vector<double>(experts, 0.0);
    Calibration calibration;
    calibration.layers.assign(static_cast<std::size_t>(config.moeLayerCount()), layer);
    return calibration;
}

Calibration readCalibration(const std::filesystem::path& file) {
    const std::string name = file.string();
    const nlohmann::json json = parseJsonText(readSmallFile(file, kLargestFile), name,
                                              "The file may be cut off: make it again with mixoscope calibrate");
    const JsonFields fields(json, name);
    if (fields.optionalText("format") != kFormat) failField(fields, "format", std::string("\"") + kFormat + "\"");
    fields.integer("version", kVersion, kVersion);
    Calibration calibration;
    calibration.model_name = requiredText(fields, "model_name");
    calibration.model_hash = requiredText(fields, "model_hash");
    calibration.policy = requiredText(fields, "policy");
    calibration.prompts_hash = requiredText(fields, "prompts_hash");
    calibration.prompts = fields.integer("prompts", 1, kMost);
    calibration.done = fields.integer("done", 0, calibration.prompts);
    calibration.tokens = fields.integer("tokens", 0, kMost);
    const nlohmann::json* layers = fields.find("layers");
    if (layers == nullptr || !layers->is_array() || layers->empty() || layers->size() > kMostLayers)
        failField(fields, "layers", "a list of layers");
    for (const nlohmann::json& layer : *layers)
        calibration.layers.push_back(
            readLayer(layer, name + ", layers[" + std::to_string(calibration.layers.size()) + "]"));
    return calibration;
}

std::shared_ptr<const Calibration> rememberedCalibration(const std::filesystem::path& file) {
    struct Remembered {
        std::string file;
        std::filesystem::file_time_type time;
        std::uintmax_t size = 0;
        std::shared_ptr<const Calibration> calibration;
    };
    constexpr std::size_t kMostRemembered = 8;
    static std::mutex mutex;
    static std::deque<Remembered> remembered;  // newest first
    std::error_code failure;                   // readCalibration() says what is wrong with the file
    const auto time = std::filesystem::last_write_time(file, failure);
    const auto size = std::filesystem::file_size(file, failure);
    const std::lock_guard lock(mutex);
    const auto known = std::ranges::find_if(remembered, [&](const Remembered& other) {
        return other.file == file.string() && other.time == time && other.size == size;
    });
    if (known != remembered.end()) return known->calibration;
    auto calibration = std::make_shared<const Calibration>(readCalibration(file));
    std::erase_if(remembered, [&](const Remembered& other) { return other.file == file.string(); });
    remembered.push_front({file.string(), time, size, calibration});
    if (remembered.size() > kMostRemembered) remembered.pop_back();
    return calibration;
}

void checkCalibration(const Calibration& calibration, const ModelConfig& config, std::string_view file) {
    const auto fail = [&](const char* what, std::int64_t expected, std::int64_t found) {
        throw Error({.what = what,
                     .where = std::string(file),
                     .expected = std::to_string(expected),
                     .found = std::to_string(found)});
    };
    if (!calibration.complete())
        fail("this calibration is unfinished: prompts measured", calibration.prompts, calibration.done);
    if (std::ssize(calibration.layers) != config.moeLayerCount())
        fail("this calibration is of a model with another number of MoE layers", config.moeLayerCount(),
             std::ssize(calibration.layers));
    for (const LayerCalibration& layer : calibration.layers) {
        if (std::ssize(layer.tokens) != config.num_experts)
            fail("this calibration is of a model with another number of experts", config.num_experts,
                 std::ssize(layer.tokens));
    }
}

void writeCalibration(const Calibration& calibration, const std::filesystem::path& file) {
    nlohmann::ordered_json json = {{"format", kFormat},
                                   {"version", kVersion},
                                   {"model_name", calibration.model_name},
                                   {"model_hash", calibration.model_hash},
                                   {"policy", calibration.policy},
                                   {"prompts_hash", calibration.prompts_hash},
                                   {"prompts", calibration.prompts},
                                   {"done", calibration.done},
                                   {"tokens", calibration.tokens},
                                   {"layers", nlohmann::ordered_json::array()}};
    for (const LayerCalibration& layer : calibration.layers) {
        json["layers"].push_back({{"last_to_first", layer.last_to_first.counts()},
                                  {"entropy", layer.entropy.counts()},
                                  {"tokens", layer.tokens},
                                  {"weight_sums", layer.weight_sums},
                                  {"norm_sums", layer.norm_sums},
                                  {"weighted_norm_sums", layer.weighted_norm_sums}});
    }
    std::filesystem::path unfinished = file;
    unfinished += ".part";
    std::ofstream out(unfinished, std::ios::binary);
    out << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    out.close();
    std::error_code error;
    if (out) std::filesystem::rename(unfinished, file, error);
    if (out && !error) return;
    const std::filesystem::path directory = std::filesystem::absolute(file).parent_path();
    throw Error({.what = "The calibration cannot be written",
                 .where = file.string(),
                 .found = error                                        ? error.message()
                          : !std::filesystem::exists(directory, error) ? "no directory " + directory.string()
                                                                       : "a write that failed"});
}

std::span<const std::string_view> pruneScoreNames() {
    return kScoreNames;
}

std::vector<double> pruneScores(const LayerCalibration& layer, std::string_view name) {
    std::vector<double> scores(layer.tokens.size());
    for (std::size_t expert = 0; expert < scores.size(); ++expert) {
        const auto tokens = static_cast<double>(layer.tokens[expert]);
        const double each = std::max(tokens, 1.0);  // without tokens every sum is 0
        if (name == "reap") {
            scores[expert] = layer.weighted_norm_sums[expert] / each;
        } else if (name == "frequency") {
            scores[expert] = tokens;
        } else if (name == "weighted-frequency") {
            scores[expert] = layer.weight_sums[expert];
        } else if (name == "ean") {
            scores[expert] = layer.norm_sums[expert];
        } else if (name == "ean-mean") {
            scores[expert] = layer.norm_sums[expert] / each;
        } else {
            scores[expert] = layer.weighted_norm_sums[expert];
        }
    }
    return scores;
}

}  // namespace mixoscope
