// Responses of vLLM and SGLang servers as their clients store them, for tests of who reads them.
#pragma once

#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"

namespace mixoscope::test {

std::string base64Of(std::string_view bytes);

/// Everything of a .npy file before its values; `shape` as Python writes a tuple.
std::string npyHeader(const std::string& type, const std::string& shape, bool fortran = false, char version = '\1');

template <typename T>
std::string npyBytes(const std::string& type, const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
    std::string tuple = "(";
    for (const std::int64_t length : shape) tuple += std::to_string(length) + ", ";
    std::string bytes = npyHeader(type, tuple + ")");
    const std::size_t head = bytes.size();
    bytes.resize(head + values.size() * sizeof(T));
    std::memcpy(bytes.data() + head, values.data(), values.size() * sizeof(T));
    return bytes;
}

/// A prompt, what was generated for it, and the experts of all tokens but the last.
struct RoutedSequence {
    std::vector<TokenId> prompt;
    std::vector<TokenId> generated;
    std::int64_t layers = 0;
    std::int64_t experts_per_token = 0;
    std::vector<std::int16_t> ids;  // (tokens − 1, layers, experts per token)
};

/// vLLM since 0.22: base64 of .npy over all tokens but the last.
nlohmann::json vllmResponse(const RoutedSequence& sequence);
/// vLLM 0.21: lists, the prompt's apart.
nlohmann::json vllmListsResponse(const RoutedSequence& sequence);
/// SGLang's /generate, asked with return_logprob: base64 of int32.
nlohmann::json sglangResponse(const RoutedSequence& sequence);

}  // namespace mixoscope::test
