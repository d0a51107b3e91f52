// UTF-8 as Unicode defines it, character properties and normalisation forms: what tokenizer and streaming need of
// Unicode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mixoscope {

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8Kind : std::uint8_t { kCharacter, kInvalid, kCut };

/// What stands at the start of some bytes.
struct Utf8Unit {
    Utf8Kind kind = Utf8Kind::kInvalid;
    std::size_t length =
        0;  // bytes of the character, or of the maximal subpart that one U+FFFD replaces; kCut: all that is left
    char32_t code_point = 0xFFFD;
};

/// Looks at the first character of `bytes`, which must not be empty. kCut: a good beginning whose rest is missing.
Utf8Unit firstUtf8Unit(std::string_view bytes);

/// Each maximal subpart of an ill-formed sequence becomes one U+FFFD (Unicode 15, section 3.9), as Python's
/// bytes.decode("utf-8", "replace") does.
std::string replaceInvalidUtf8(std::string_view bytes);

/// The longest beginning of well-formed UTF-8 that has at most `bytes` bytes and ends with a whole character.
std::string_view clipUtf8(std::string_view text, std::size_t bytes);

/// Both ways between well-formed UTF-8 and UTF-16.
std::u16string toUtf16(std::string_view text);
void appendUtf8(std::string& text, char32_t code_point);
std::string toUtf8(std::u16string_view text);

bool isWhiteSpace(char32_t code_point);     // property White_Space
bool isWordCharacter(char32_t code_point);  // \w of UTS #18: alphabetic, marks, decimal digits, connectors, joiners
bool isNumeric(char32_t code_point);        // general categories Nd, Nl, No

enum class NormalizationForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };
std::string normalize(std::string_view text, NormalizationForm form);

}  // namespace mixoscope
