#include "sessions/base64.h"

#include <array>
#include <cstdint>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 255;

constexpr std::array<std::uint8_t, 256> valuesOfCharacters() {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNone);
    for (std::size_t value = 0; value < kAlphabet.size(); ++value)
        values[static_cast<unsigned char>(kAlphabet[value])] = static_cast<std::uint8_t>(value);
    return values;
}

constexpr std::array<std::uint8_t, 256> kValues = valuesOfCharacters();

}  // namespace

std::vector<std::byte> decodeBase64(std::string_view text, const std::string& where) {
    if (text.size() % 4 != 0)
        throw Error({.what = "This base64 text is cut short",
                     .where = where,
                     .expected = "a multiple of 4 characters",
                     .found = std::to_string(text.size())});
    std::size_t digits = text.size();
    while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
    std::vector<std::byte> bytes;
    bytes.reserve(digits * 3 / 4);
    std::uint32_t bits = 0;
    for (std::size_t at = 0; at < digits; ++at) {
        const std::uint8_t value = kValues[static_cast<unsigned char>(text[at])];
        if (value == kNone)
            throw Error({.what = "This is no base64 text",
                         .where = where,
                         .expected = "letters, digits, + and /",
                         .found = "another character at " + std::to_string(at + 1)});
        bits = bits << 6U | value;
        if (at % 4 != 0) bytes.push_back(static_cast<std::byte>(bits >> (6U - 2U * (at % 4)) & 0xFFU));
    }
    return bytes;
}

}  // namespace mixoscope
