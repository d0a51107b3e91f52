#include "probes/token_class.h"

#include <algorithm>
#include <vector>

#include "engine/unicode.h"

namespace mixoscope {

namespace {

constexpr char32_t kApostrophes[] = {U'\'', U'\u2019'};

/// Nothing at all where the bytes are not well-formed UTF-8.
std::vector<char32_t> codePoints(std::string_view bytes) {
    std::vector<char32_t> points;
    while (!bytes.empty()) {
        const Utf8Unit unit = firstUtf8Unit(bytes);
        if (unit.kind != Utf8Kind::kCharacter) return {};
        points.push_back(unit.code_point);
        bytes.remove_prefix(unit.length);
    }
    return points;
}

bool isWordPart(char32_t point) {
    return isWordCharacter(point) || std::ranges::find(kApostrophes, point) != std::end(kApostrophes);
}

bool isLetter(char32_t point) {
    return isWordCharacter(point) && !isNumeric(point);
}

}  // namespace

TokenClass tokenClass(const TokenTrace& token, std::string_view bytes) {
    const bool marked = (token.flags & (token_flag::kTag | token_flag::kEndOfTurn)) != 0;
    if (marked || (bytes.starts_with("<|") && bytes.ends_with("|>"))) return TokenClass::kSpecial;
    std::vector<char32_t> points = codePoints(bytes);
    if (points.empty()) return TokenClass::kOther;
    const auto first = std::ranges::find_if_not(points, isWhiteSpace);
    if (first == points.end()) return TokenClass::kSpace;
    points.erase(points.begin(), first);
    while (isWhiteSpace(points.back())) points.pop_back();
    if (std::ranges::all_of(points, isNumeric)) return TokenClass::kDigit;
    if (std::ranges::all_of(points, isWordPart) && std::ranges::any_of(points, isLetter)) return TokenClass::kWord;
    const auto has_meaning = [](char32_t point) { return isWordCharacter(point) || isNumeric(point); };
    return std::ranges::none_of(points, has_meaning) ? TokenClass::kPunctuation : TokenClass::kOther;
}

}  // namespace mixoscope
