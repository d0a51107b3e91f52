// The characters of a run of tokens, exactly, and which token each of them came from.
#pragma once

#include <QString>
#include <QStringDecoder>
#include <cstdint>
#include <span>
#include <vector>

#include "probes/routing_history.h"

namespace mixoscope {

/// A token's characters: [start, end) in UTF-16 units. A character whose bytes are spread over tokens belongs to the
/// token that completes it; the tokens before have no characters.
struct TextToken {
    std::int32_t position = 0;
    std::int32_t start = 0;
    std::int32_t end = 0;
    std::uint8_t flags = 0;  // token_flag
};

class TokenText {
public:
    TokenText();
    void append(const TokenRecord& token);
    /// Nothing follows: bytes that still wait for the rest of their character become U+FFFD.
    void finish();

    const QString& text() const { return m_text; }
    std::span<const TextToken> tokens() const { return m_tokens; }
    /// Index in tokens() of the token that the character at `offset` came from, −1 none.
    std::int32_t tokenAt(std::int32_t offset) const;
    /// Index in tokens() of the token at `position`, −1 none.
    std::int32_t indexOf(std::int32_t position) const;
    /// Characters to mark for the token at `index`: its own, or those that it contributes bytes to.
    TextToken shownCharacters(std::int32_t index) const;

private:
    QString m_text;
    std::vector<TextToken> m_tokens;
    QStringDecoder m_decoder;
    bool m_waiting = false;  // the last bytes are the beginning of a character
};

}  // namespace mixoscope
