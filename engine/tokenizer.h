// Byte-level BPE as in tokenizer.json: normaliser, pre-tokenizer, merges, added and special tokens. Const and safe to share
// between threads after loading.
#pragma once

#include "engine/ids.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

enum class SpecialTokens : std::uint8_t { kRecognise, kPlainText };

class Tokenizer {
public:
    /// Parses tokenizer.json. `file_name` appears in messages. Throws Error; ids that reach beyond `vocab_size` (of the
    /// model; 0: not checked) are an error.
    static Tokenizer fromJson(std::span<const std::byte> json, std::string_view file_name, std::int64_t vocab_size = 0);

    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    ~Tokenizer();

    /// Ids of the text, identical to Hugging Face tokenizers' with add_special_tokens=False. Any bytes are accepted: invalid
    /// UTF-8 is replaced by U+FFFD first, as Python's errors="replace" does. kPlainText is tokenizers' encode_special_tokens:
    /// tokens marked special are read as text, other added tokens still count. Throws Error for more than 64 MiB, and when
    /// the file's own pattern needs too many steps for this text.
    std::vector<TokenId> encode(std::string_view text, SpecialTokens special = SpecialTokens::kRecognise) const;

    /// Bytes of the ids, concatenated; may be invalid UTF-8 when a character is cut. Ids outside the vocabulary give nothing.
    std::string decode(std::span<const TokenId> ids) const;

    /// Bytes of one token, empty for an id outside the vocabulary. The view lives as long as the tokenizer.
    std::string_view bytes(TokenId id) const;

    bool isSpecial(TokenId id) const;
    /// Id of an added or vocabulary token by its exact content.
    std::optional<TokenId> find(std::string_view content) const;
    /// One more than the largest id.
    std::int64_t size() const;

private:
    struct Impl;
    explicit Tokenizer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m_impl;
};

/// Turns a stream of token bytes into text that never ends inside a UTF-8 character; invalid bytes become U+FFFD.
class StreamingDecoder {
public:
    /// Text that became complete with these bytes.
    std::string push(std::string_view bytes);
    /// What is left at the end of the stream, as U+FFFD if incomplete.
    std::string finish();
    bool atCharacterBoundary() const { return m_pending.empty(); }

private:
    std::string m_pending;
};

/// The bytes as text: what is no UTF-8 becomes U+FFFD.
std::string validUtf8(std::string_view bytes);

}  // namespace mixoscope
