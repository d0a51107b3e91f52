#include "support/routed_response.h"

#include <span>

namespace mixoscope::test {

namespace {

using nlohmann::json;

json listsOf(const RoutedSequence& sequence, std::int64_t first, std::int64_t end) {
    json tokens = json::array();
    auto id = sequence.ids.begin() + first * sequence.layers * sequence.experts_per_token;
    for (std::int64_t token = first; token < end; ++token) {
        json layers = json::array();
        for (std::int64_t layer = 0; layer < sequence.layers; ++layer) {
            layers.push_back(std::vector<std::int16_t>(id, id + sequence.experts_per_token));
            id += sequence.experts_per_token;
        }
        tokens.push_back(std::move(layers));
    }
    return tokens;
}

json logprobsOf(const std::vector<TokenId>& ids) {
    json tuples = json::array();
    for (const TokenId id : ids) tuples.push_back({-0.25, id, nullptr});
    return tuples;
}

}  // namespace

std::string base64Of(std::string_view bytes) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        unsigned bits = 0;
        for (std::size_t i = 0; i < 3; ++i)
            bits = bits << 8U | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            text += at + i > bytes.size() ? '=' : kAlphabet[bits >> (18U - 6U * i) & 63U];
    }
    return text;
}

std::string npyHeader(const std::string& type, const std::string& shape, bool fortran, char version) {
    std::string header =
        "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }\n";
    std::string bytes = std::string("\x93NUMPY") + version + '\0';
    for (std::size_t i = 0; i < (version == '\1' ? 2U : 4U); ++i) bytes += static_cast<char>(header.size() >> (8U * i));
    return bytes + header;
}

json vllmResponse(const RoutedSequence& sequence) {
    const auto rows = static_cast<std::int64_t>(sequence.prompt.size() + sequence.generated.size()) - 1;
    return {
        {"id", "cmpl-1"},
        {"object", "text_completion"},
        {"choices",
         json::array({{{"index", 0},
                       {"finish_reason", "stop"},
                       {"prompt_token_ids", sequence.prompt},
                       {"token_ids", sequence.generated},
                       {"routed_experts", base64Of(npyBytes("<i2", {rows, sequence.layers, sequence.experts_per_token},
                                                            sequence.ids))}}})}};
}

json vllmListsResponse(const RoutedSequence& sequence) {
    const auto prompt = static_cast<std::int64_t>(sequence.prompt.size());
    const auto generated = static_cast<std::int64_t>(sequence.generated.size());
    return {{"id", "chatcmpl-1"},
            {"object", "chat.completion"},
            {"prompt_token_ids", sequence.prompt},
            {"prompt_routed_experts", listsOf(sequence, 0, prompt)},
            {"choices", json::array({{{"index", 0},
                                      {"finish_reason", "stop"},
                                      {"token_ids", sequence.generated},
                                      {"routed_experts", listsOf(sequence, prompt, prompt + generated - 1)}}})}};
}

json sglangResponse(const RoutedSequence& sequence) {
    const std::vector<std::int32_t> ids(sequence.ids.begin(), sequence.ids.end());
    const std::string bytes(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(std::int32_t));
    return {{"text", ""},
            {"output_ids", sequence.generated},
            {"meta_info",
             {{"finish_reason", {{"type", "stop"}, {"matched", 258}}},
              {"prompt_tokens", sequence.prompt.size()},
              {"completion_tokens", sequence.generated.size()},
              {"input_token_logprobs", logprobsOf(sequence.prompt)},
              {"output_token_logprobs", logprobsOf(sequence.generated)},
              {"routed_experts", base64Of(bytes)}}}};
}

}  // namespace mixoscope::test
