// Where two experiments differ, field by field.
#pragma once

#include <string>

namespace mixoscope {

/// What one of them says and what the other says instead, for a message: "max_tokens = 24", "max_tokens = 25".
struct ExperimentDifference {
    std::string first;
    std::string second;
};

/// Compares two texts of experimentJson(). At most four fields are told; the others are counted. Both are empty where
/// the experiments are the same.
ExperimentDifference experimentDifference(const std::string& first_json, const std::string& second_json);

}  // namespace mixoscope
