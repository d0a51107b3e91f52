#include "sessions/answer_rule.h"

#include <unicode/regex.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::string_view kPatternPrefix = "pattern:";
constexpr std::array<std::pair<std::string_view, AnswerKind>, 5> kNames = {{{"none", AnswerKind::kNone},
                                                                            {"exact", AnswerKind::kExact},
                                                                            {"last-number", AnswerKind::kLastNumber},
                                                                            {"boxed", AnswerKind::kBoxed},
                                                                            {"option", AnswerKind::kOption}}};
// ICU's unit is about a millisecond: long enough for any answer, short enough for a hostile pattern.
constexpr std::int32_t kMostPatternTime = 200;

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}
bool isWord(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool isOption(char c) {
    return c >= 'A' && c <= 'J';
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const std::size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

void removeAll(std::string& text, std::string_view part) {
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at))
        text.erase(at, part.size());
}

/// End of the number that begins at `at`: digits, thousands after commas, decimals.
std::size_t numberEnd(std::string_view text, std::size_t at) {
    const auto digits = [&](std::size_t from) {
        std::size_t end = from;
        while (end < text.size() && isDigit(text[end])) ++end;
        return end;
    };
    std::size_t end = digits(at);
    while (end < text.size() && text[end] == ',' && digits(end + 1) == end + 4) end += 4;
    if (end + 1 < text.size() && text[end] == '.' && isDigit(text[end + 1])) end = digits(end + 1);
    return end;
}

/// One form for equal numbers: no commas, no leading zeros, no trailing zeros behind the point.
std::string plainNumber(std::string_view number) {
    std::string plain(number);
    removeAll(plain, ",");
    const bool negative = plain.starts_with('-');
    if (negative) plain.erase(0, 1);
    if (plain.find('.') != std::string::npos) {
        plain.erase(plain.find_last_not_of('0') + 1);
        if (plain.ends_with('.')) plain.pop_back();
    }
    plain.erase(0, std::min(plain.find_first_not_of('0'), plain.size()));
    if (plain.empty() || plain.starts_with('.')) plain.insert(0, "0");
    return negative && plain != "0" ? "-" + plain : plain;
}

std::optional<std::string> lastNumber(std::string_view text) {
    std::optional<std::string> found;
    for (std::size_t at = 0; at < text.size();) {
        if (!isDigit(text[at])) {
            ++at;
            continue;
        }
        std::size_t begin = at;
        // A sign belongs to a number only where nothing that could be subtracted from stands before it.
        if (at > 0 && text[at - 1] == '-' && (at == 1 || (!isWord(text[at - 2]) && text[at - 2] != ')'))) --begin;
        at = numberEnd(text, at);
        found = plainNumber(text.substr(begin, at - begin));
    }
    return found;
}

/// The number that the whole text is.
std::optional<std::string> wholeNumber(std::string_view text) {
    const std::size_t digits = text.starts_with('-') ? 1 : 0;
    if (digits >= text.size() || !isDigit(text[digits]) || numberEnd(text, digits) != text.size()) return std::nullopt;
    return plainNumber(text);
}

std::string withoutMarkup(std::string_view text) {
    std::string plain(trimmed(text));
    for (const std::string_view part : {"\\left", "\\right", "\\!", "\\,", "\\;", "$", " ", "\n", "\t"})
        removeAll(plain, part);
    for (const std::string_view wrapper : {"\\text{", "\\mathrm{", "\\textbf{"}) {
        if (plain.starts_with(wrapper) && plain.ends_with('}'))
            plain = plain.substr(wrapper.size(), plain.size() - wrapper.size() - 1);
    }
    while (plain.ends_with('.')) plain.pop_back();
    return wholeNumber(plain).value_or(plain);
}

std::optional<std::string> lastBoxed(std::string_view text) {
    constexpr std::string_view kBoxed = "\\boxed{";
    const std::size_t found = text.rfind(kBoxed);
    if (found == std::string_view::npos) return std::nullopt;
    const std::size_t begin = found + kBoxed.size();
    int depth = 1;
    for (std::size_t at = begin; at < text.size(); ++at) {
        if (text[at] == '{') ++depth;
        if (text[at] == '}' && --depth == 0) return withoutMarkup(text.substr(begin, at - begin));
    }
    return std::nullopt;  // the answer was cut off inside
}

bool standsAlone(std::string_view text, std::size_t at) {
    return (at == 0 || !isWord(text[at - 1])) && (at + 1 == text.size() || !isWord(text[at + 1]));
}

/// The letter that follows the last of `phrase`, past what may stand around it.
std::optional<std::string> optionAfter(std::string_view lower, std::string_view text, std::string_view phrase) {
    for (std::size_t found = lower.rfind(phrase); found != std::string_view::npos;
         found = found == 0 ? std::string_view::npos : lower.rfind(phrase, found - 1)) {
        const std::size_t at = text.find_first_not_of(" \t\n:*($\\{", found + phrase.size());
        if (at != std::string_view::npos && isOption(text[at]) && standsAlone(text, at))
            return std::string(1, text[at]);
    }
    return std::nullopt;
}

std::optional<std::string> lastOption(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (const auto boxed = lastBoxed(text); boxed && boxed->size() == 1 && isOption(boxed->front())) return boxed;
    if (auto option = optionAfter(lower, text, "answer is")) return option;
    if (auto option = optionAfter(lower, text, "answer:")) return option;
    for (std::size_t at = text.size(); at-- > 0;) {
        if (isOption(text[at]) && standsAlone(text, at)) return std::string(1, text[at]);
    }
    return std::nullopt;
}

}  // namespace

struct AnswerRule::Pattern {
    std::string text;
    std::unique_ptr<icu::RegexPattern> compiled;

    std::optional<std::string> lastMatch(std::string_view subject) const {
        UErrorCode status = U_ZERO_ERROR;
        const icu::UnicodeString units =
            icu::UnicodeString::fromUTF8(icu::StringPiece(subject.data(), static_cast<std::int32_t>(subject.size())));
        const std::unique_ptr<icu::RegexMatcher> matcher(compiled->matcher(units, status));
        if (U_FAILURE(status)) return std::nullopt;
        matcher->setTimeLimit(kMostPatternTime, status);
        std::optional<std::string> found;
        while (matcher->find(status) && U_SUCCESS(status)) {
            std::string group;
            matcher->group(std::min(matcher->groupCount(), 1), status).toUTF8String(group);
            if (U_SUCCESS(status)) found = std::string(trimmed(group));
        }
        return U_SUCCESS(status) ? found : std::nullopt;
    }
};

AnswerRule AnswerRule::parse(std::string_view text, const std::string& where) {
    AnswerRule rule;
    if (text.starts_with(kPatternPrefix)) {
        auto pattern = std::make_shared<Pattern>();
        pattern->text = text.substr(kPatternPrefix.size());
        UErrorCode status = U_ZERO_ERROR;
        UParseError position{};
        pattern->compiled.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(pattern->text),
                                                           UREGEX_MULTILINE, position, status));
        if (U_FAILURE(status) || pattern->text.empty())
            throw Error({.what = "The pattern cannot be used",
                         .where = where,
                         .expected = "a regular expression after pattern:",
                         .found = pattern->text});
        rule.m_kind = AnswerKind::kPattern;
        rule.m_pattern = std::move(pattern);
        return rule;
    }
    const auto* const known = std::ranges::find(kNames, text, [](const auto& entry) { return entry.first; });
    if (known == kNames.end())
        throw Error({.what = "This is no way to judge an answer",
                     .where = where,
                     .expected = "none, exact, last-number, boxed, option or pattern:REGEX",
                     .found = std::string(text.substr(0, 80))});
    rule.m_kind = known->second;
    return rule;
}

std::string AnswerRule::text() const {
    if (m_kind == AnswerKind::kPattern) return std::string(kPatternPrefix) + m_pattern->text;
    return std::string(std::ranges::find(kNames, m_kind, [](const auto& entry) { return entry.second; })->first);
}

std::optional<std::string> AnswerRule::extract(std::string_view text) const {
    switch (m_kind) {
        case AnswerKind::kNone:
            return std::nullopt;
        case AnswerKind::kExact:
            return std::string(trimmed(text));
        case AnswerKind::kLastNumber:
            return lastNumber(text);
        case AnswerKind::kBoxed:
            return lastBoxed(text);
        case AnswerKind::kOption:
            return lastOption(text);
        case AnswerKind::kPattern:
            return m_pattern->lastMatch(text);
    }
    return std::nullopt;
}

bool AnswerRule::correct(std::string_view text, std::string_view reference) const {
    const std::optional<std::string> given = extract(text);
    if (!given) return false;
    if (*given == trimmed(reference)) return true;
    if (m_kind == AnswerKind::kBoxed && *given == withoutMarkup(reference)) return true;
    const std::optional<std::string> wanted = extract(reference);
    return wanted && *given == *wanted;
}

}  // namespace mixoscope
