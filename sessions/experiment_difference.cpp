#include "sessions/experiment_difference.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/json_text.h"

namespace mixoscope {

namespace {

using nlohmann::json;

constexpr std::size_t kMostTold = 4;

std::string told(const std::string& path, const json* value) {
    return value == nullptr ? "no " + path : path + " = " + describeJson(*value);
}

std::string counted(const std::string& path, const json& list) {
    return path + " of " + std::to_string(list.size()) + (list.size() == 1 ? " choice" : " choices");
}

/// Adds every place below `path` where the values differ; null is a value that is not there.
void collect(const std::string& path, const json* first, const json* second, std::vector<ExperimentDifference>& found) {
    if (first != nullptr && second != nullptr) {
        if (*first == *second) return;
        if (first->is_object() && second->is_object()) {
            std::set<std::string> keys;
            for (const auto& [key, value] : first->items()) keys.insert(key);
            for (const auto& [key, value] : second->items()) keys.insert(key);
            for (const std::string& key : keys) {
                const auto in = [&](const json& object) { return object.contains(key) ? &object[key] : nullptr; };
                collect(path.empty() ? key : path + ", " + key, in(*first), in(*second), found);
            }
            return;
        }
        if (first->is_array() && second->is_array()) {
            if (first->size() != second->size()) {
                found.push_back({.first = counted(path, *first), .second = counted(path, *second)});
                return;
            }
            for (std::size_t at = 0; at < first->size(); ++at)
                collect(path + ", choice " + std::to_string(at + 1), &(*first)[at], &(*second)[at], found);
            return;
        }
    }
    ExperimentDifference difference{.first = told(path, first), .second = told(path, second)};
    if (difference.first == difference.second) difference.second = "another " + path;  // they part where texts are cut
    found.push_back(std::move(difference));
}

}  // namespace

ExperimentDifference experimentDifference(const std::string& first_json, const std::string& second_json) {
    const json first = json::parse(first_json, nullptr, false);  // a file may hold anything
    const json second = json::parse(second_json, nullptr, false);
    std::vector<ExperimentDifference> found;
    collect("", &first, &second, found);
    ExperimentDifference all;
    for (std::size_t at = 0; at < std::min(found.size(), kMostTold); ++at) {
        const std::string_view separator = at == 0 ? "" : "; ";
        all.first.append(separator).append(found[at].first);
        all.second.append(separator).append(found[at].second);
    }
    if (found.size() > kMostTold) all.second += "; and " + std::to_string(found.size() - kMostTold) + " more differ";
    return all;
}

}  // namespace mixoscope
