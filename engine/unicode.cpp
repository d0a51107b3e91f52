// UTF-8 scanning by hand (it must cut at exactly the right byte), everything that needs character data by ICU.
#include "engine/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include <array>
#include <cassert>

#include "engine/error.h"

namespace mixoscope {

namespace {

struct LeadByte {
    std::uint8_t length = 0;  // 0: no character begins with it
    std::uint8_t second_low = 0x80;
    std::uint8_t second_high = 0xBF;
};

// Table 3-7 of the Unicode standard: which second bytes may follow which first byte.
LeadByte classify(unsigned char byte) {
    if (byte < 0x80) return {1, 0, 0};
    if (byte < 0xC2) return {};
    if (byte < 0xE0) return {2, 0x80, 0xBF};
    if (byte == 0xE0) return {3, 0xA0, 0xBF};
    if (byte == 0xED) return {3, 0x80, 0x9F};
    if (byte < 0xF0) return {3, 0x80, 0xBF};
    if (byte == 0xF0) return {4, 0x90, 0xBF};
    if (byte < 0xF4) return {4, 0x80, 0xBF};
    if (byte == 0xF4) return {4, 0x80, 0x8F};
    return {};
}

const icu::Normalizer2& normalizer(NormalizationForm form) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* found = nullptr;
    switch (form) {
        case NormalizationForm::kNfc:
            found = icu::Normalizer2::getNFCInstance(status);
            break;
        case NormalizationForm::kNfd:
            found = icu::Normalizer2::getNFDInstance(status);
            break;
        case NormalizationForm::kNfkc:
            found = icu::Normalizer2::getNFKCInstance(status);
            break;
        case NormalizationForm::kNfkd:
            found = icu::Normalizer2::getNFKDInstance(status);
            break;
    }
    if (U_FAILURE(status) || found == nullptr) {
        throw Error({"ICU's normalisation data cannot be loaded", "ICU", "", u_errorName(status), "Reinstall libicu"});
    }
    return *found;
}

}  // namespace

Utf8Unit firstUtf8Unit(std::string_view bytes) {
    assert(!bytes.empty());
    const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
    const LeadByte lead = classify(byte(0));
    if (lead.length == 0) return {Utf8Kind::kInvalid, 1, 0xFFFD};
    if (lead.length == 1) return {Utf8Kind::kCharacter, 1, byte(0)};
    char32_t code_point = byte(0) & (0xFFU >> (lead.length + 1));
    for (std::size_t index = 1; index < lead.length; ++index) {
        if (index == bytes.size()) return {Utf8Kind::kCut, index, 0xFFFD};
        const unsigned char low = index == 1 ? lead.second_low : 0x80;
        const unsigned char high = index == 1 ? lead.second_high : 0xBF;
        if (byte(index) < low || byte(index) > high) return {Utf8Kind::kInvalid, index, 0xFFFD};
        code_point = (code_point << 6U) | (byte(index) & 0x3FU);
    }
    return {Utf8Kind::kCharacter, lead.length, code_point};
}

std::string replaceInvalidUtf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const Utf8Unit unit = firstUtf8Unit(bytes);
        text += unit.kind == Utf8Kind::kCharacter ? bytes.substr(0, unit.length) : kReplacementCharacter;
        bytes.remove_prefix(unit.length);
    }
    return text;
}

std::string_view clipUtf8(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return text;
    while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
    return text.substr(0, bytes);
}

std::u16string toUtf16(std::string_view text) {
    std::u16string units;
    units.reserve(text.size());
    while (!text.empty()) {
        const Utf8Unit unit = firstUtf8Unit(text);
        if (unit.code_point < 0x10000) {
            units.push_back(static_cast<char16_t>(unit.code_point));
        } else {
            units.push_back(static_cast<char16_t>(U16_LEAD(unit.code_point)));
            units.push_back(static_cast<char16_t>(U16_TRAIL(unit.code_point)));
        }
        text.remove_prefix(unit.length);
    }
    return units;
}

void appendUtf8(std::string& text, char32_t code_point) {
    const auto add = [&](char32_t value) { text.push_back(static_cast<char>(static_cast<unsigned char>(value))); };
    const auto trail = [&](unsigned shift) { add(0x80U | ((code_point >> shift) & 0x3FU)); };
    if (code_point < 0x80) {
        add(code_point);
    } else if (code_point < 0x800) {
        add(0xC0U | (code_point >> 6U));
        trail(0);
    } else if (code_point < 0x10000) {
        add(0xE0U | (code_point >> 12U));
        trail(6);
        trail(0);
    } else {
        add(0xF0U | (code_point >> 18U));
        trail(12);
        trail(6);
        trail(0);
    }
}

std::string toUtf8(std::u16string_view units) {
    std::string text;
    text.reserve(units.size());
    for (std::size_t index = 0; index < units.size(); ++index) {
        char32_t code_point = units[index];
        if (U16_IS_LEAD(code_point) && index + 1 < units.size() && U16_IS_TRAIL(units[index + 1])) {
            code_point = static_cast<char32_t>(U16_GET_SUPPLEMENTARY(code_point, units[index + 1]));
            ++index;
        }
        appendUtf8(text, code_point);
    }
    return text;
}

bool isWhiteSpace(char32_t code_point) {
    return u_isUWhiteSpace(static_cast<UChar32>(code_point)) != 0;
}

bool isWordCharacter(char32_t code_point) {
    const auto character = static_cast<UChar32>(code_point);
    return u_isUAlphabetic(character) != 0 ||
           (U_GET_GC_MASK(character) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
           u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL) != 0;
}

bool isNumeric(char32_t code_point) {
    return (U_GET_GC_MASK(static_cast<UChar32>(code_point)) & U_GC_N_MASK) != 0;
}

std::string normalize(std::string_view text, NormalizationForm form) {
    const icu::Normalizer2& rules = normalizer(form);
    const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
    UErrorCode status = U_ZERO_ERROR;
    if (rules.isNormalizedUTF8(piece, status) && U_SUCCESS(status)) return std::string(text);
    std::string normalized;
    icu::StringByteSink<std::string> sink(&normalized);
    status = U_ZERO_ERROR;
    rules.normalizeUTF8(0, piece, sink, nullptr, status);
    if (U_FAILURE(status)) {
        throw Error({"Text cannot be normalised", "ICU", "", u_errorName(status), ""});
    }
    return normalized;
}

}  // namespace mixoscope
