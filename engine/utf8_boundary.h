// Whether a stream of bytes ends between two UTF-8 characters. Keeps a count, no text, so it can run for every token.
#pragma once

#include <cstdint>
#include <string_view>

namespace mixoscope {

class Utf8Boundary {
public:
    void push(std::string_view bytes) {
        for (const char byte : bytes) push(static_cast<std::uint8_t>(byte));
    }
    bool atCharacterBoundary() const { return m_missing == 0; }

private:
    void push(std::uint8_t byte) {
        const bool continues = (byte & 0xC0U) == 0x80U;
        if (continues) {
            if (m_missing > 0) --m_missing;  // else a stray continuation byte: one broken character, complete
        } else if (byte >= 0xF0U && byte <= 0xF4U) {
            m_missing = 3;
        } else if (byte >= 0xE0U && byte < 0xF0U) {
            m_missing = 2;
        } else if (byte >= 0xC2U && byte < 0xE0U) {
            m_missing = 1;
        } else {
            m_missing = 0;  // ASCII, or a byte that begins nothing; a character it interrupts is broken and over
        }
    }
    int m_missing = 0;  // continuation bytes that the last character still needs
};

}  // namespace mixoscope
