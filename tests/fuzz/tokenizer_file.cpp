// A hostile tokenizer.json: either an Error, or a tokenizer whose ids and bytes hold together.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/error.h"
#include "engine/tokenizer.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mixoscope;
    constexpr std::int64_t kVocabularySize = 5000;
    constexpr std::string_view kTexts[] = {"", "Hello  world 123\r\n\n'll <|im_end|><think>\n",
                                           "\xF0\x9F\x98\x80 \xCC\x88u\xCC\x88\xE4\xB8\xAD \xFF\xC3",
                                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"};
    try {
        const Tokenizer tokenizer =
            Tokenizer::fromJson(std::as_bytes(std::span(data, size)), "tokenizer.json", kVocabularySize);
        MIXO_REQUIRE(tokenizer.size() <= kVocabularySize);
        for (const std::string_view text : kTexts) {
            for (const SpecialTokens special : {SpecialTokens::kRecognise, SpecialTokens::kPlainText}) {
                const std::vector<TokenId> ids = tokenizer.encode(text, special);
                std::size_t bytes = 0;
                for (const TokenId id : ids) {
                    MIXO_REQUIRE(id >= 0 && id < tokenizer.size());
                    bytes += tokenizer.bytes(id).size();
                }
                MIXO_REQUIRE(tokenizer.decode(ids).size() == bytes);
            }
        }
    } catch (const Error&) {
    }
    return 0;
}
