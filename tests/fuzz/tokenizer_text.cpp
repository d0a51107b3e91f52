// Any bytes as text: encoding accepts them, and decoding gives back what they mean, whole or streamed.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "engine/pre_tokenizer.h"
#include "engine/tokenizer.h"
#include "engine/unicode.h"
#include "require.h"

namespace {

using mixoscope::StreamingDecoder;
using mixoscope::Tokenizer;
using nlohmann::json;

/// All bytes, some merges, Qwen's way of cutting, no normaliser: nothing may be lost.
Tokenizer wholeAlphabet() {
    json vocabulary = json::object();
    int next = 0;
    for (int byte = 0; byte < 256; ++byte) {
        const char16_t character = mixoscope::byteCharacter(static_cast<unsigned char>(byte));
        vocabulary[mixoscope::toUtf8(std::u16string_view(&character, 1))] = next++;
    }
    json merges = json::array();
    for (const auto& [left, right] : {std::pair("a", "a"),
                                      {"aa", "aa"},
                                      {"Ġ", "a"},
                                      {"Ċ", "Ċ"},
                                      {"Ġ", "Ġ"},
                                      {"t", "h"},
                                      {"th", "e"},
                                      {"Ã", "©"},
                                      {"ð", "Ł"},
                                      {"ĠĠ", "ĠĠ"}}) {
        merges.push_back({left, right});
        vocabulary[std::string(left) + right] = next++;
    }
    constexpr const char* kPattern =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    const json document = {
        {"added_tokens",
         {{{"id", next}, {"content", "<|im_end|>"}, {"special", true}},
          {{"id", next + 1}, {"content", "<think>"}, {"normalized", false}}}},
        {"pre_tokenizer",
         {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"}, {"pattern", {{"Regex", kPattern}}}, {"behavior", "Isolated"}, {"invert", false}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
        {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
    const std::string text = document.dump();
    return Tokenizer::fromJson(std::as_bytes(std::span(text)), "tokenizer.json");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mixoscope;
    static const Tokenizer tokenizer = wholeAlphabet();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::string text = replaceInvalidUtf8(bytes);
    for (const SpecialTokens special : {SpecialTokens::kRecognise, SpecialTokens::kPlainText}) {
        const std::vector<TokenId> ids = tokenizer.encode(bytes, special);
        MIXO_REQUIRE(tokenizer.decode(ids) == text);
        MIXO_REQUIRE(tokenizer.encode(text, special) == ids);
        StreamingDecoder decoder;
        std::string streamed;
        for (const TokenId id : ids) {
            const std::string piece = decoder.push(tokenizer.bytes(id));
            MIXO_REQUIRE(replaceInvalidUtf8(piece) == piece);
            streamed += piece;
        }
        MIXO_REQUIRE(decoder.atCharacterBoundary());
        MIXO_REQUIRE(streamed + decoder.finish() == text);
    }
    StreamingDecoder decoder;
    std::string streamed;
    for (const char byte : bytes) streamed += decoder.push(std::string_view(&byte, 1));
    MIXO_REQUIRE(streamed + decoder.finish() == text);
    return 0;
}
