// The one exception type for what a user can cause: it says what went wrong, where, what was expected and found.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace mixoscope {

/// Parts of a message, in the order in which they are shown. Only `what` is required.
struct ErrorParts {
    std::string what = {};      // "The data range of one tensor is too short for its shape"
    std::string where = {};     // "model.safetensors, tensor model.norm.weight, data_offsets"
    std::string expected = {};  // "256 bytes"
    std::string found = {};     // "128 bytes"
    std::string advice = {};    // "Download this file again"
};

class Error : public std::runtime_error {
public:
    explicit Error(ErrorParts parts) : std::runtime_error(sentence(parts)), m_parts(std::move(parts)) {}
    const ErrorParts& parts() const { return m_parts; }

private:
    static std::string sentence(const ErrorParts& parts) {
        std::string text = parts.where.empty() ? parts.what : parts.where + ": " + parts.what;
        if (!parts.expected.empty()) text += "; expected " + parts.expected;
        if (!parts.found.empty()) text += "; found " + parts.found;
        if (!parts.advice.empty()) text += ". " + parts.advice;
        return text;
    }
    ErrorParts m_parts;
};

}  // namespace mixoscope
