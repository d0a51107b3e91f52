// The entries are sorted, so the candidates at a position are one narrowing range: no automaton to build for a few
// tokens.
#include "engine/tokenizer_added_tokens.h"

#include <algorithm>

namespace mixoscope {

namespace {

/// Code point before `end`; the text is well-formed.
char32_t characterBefore(std::string_view text, std::size_t end, std::size_t& begin) {
    begin = end - 1;
    while ((static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) --begin;
    return firstUtf8Unit(text.substr(begin)).code_point;
}

bool endsWithWord(std::string_view text) {
    std::size_t begin = 0;
    return !text.empty() && isWordCharacter(characterBefore(text, text.size(), begin));
}

bool startsWithWord(std::string_view text) {
    return !text.empty() && isWordCharacter(firstUtf8Unit(text).code_point);
}

std::size_t spaceBefore(std::string_view text) {
    std::size_t end = text.size();
    std::size_t begin = 0;
    while (end > 0 && isWhiteSpace(characterBefore(text, end, begin))) end = begin;
    return end;
}

std::size_t spaceAfter(std::string_view text) {
    std::size_t length = 0;
    while (length < text.size()) {
        const Utf8Unit unit = firstUtf8Unit(text.substr(length));
        if (!isWhiteSpace(unit.code_point)) break;
        length += unit.length;
    }
    return length;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<Entry> entries) : m_entries(std::move(entries)) {
    std::erase_if(m_entries, [](const Entry& entry) { return entry.content.empty(); });
    std::stable_sort(m_entries.begin(), m_entries.end(),
                     [](const Entry& one, const Entry& other) { return one.content < other.content; });
    for (const Entry& entry : m_entries) m_first_bytes[static_cast<unsigned char>(entry.content.front())] = true;
}

const AddedTokenFinder::Entry* AddedTokenFinder::longestAt(std::string_view text) const {
    if (!m_first_bytes[static_cast<unsigned char>(text.front())]) return nullptr;
    const Entry* longest = nullptr;
    auto first = m_entries.begin();
    auto last = m_entries.end();
    for (std::size_t depth = 0; depth < text.size() && first != last; ++depth) {
        const char byte = text[depth];
        // Contents that end here sort first in the range; they were recorded when it was narrowed to them.
        const auto before = [depth](const Entry& entry, char wanted) {
            return entry.content.size() <= depth ||
                   static_cast<unsigned char>(entry.content[depth]) < static_cast<unsigned char>(wanted);
        };
        const auto after = [depth](char wanted, const Entry& entry) {
            return entry.content.size() > depth &&
                   static_cast<unsigned char>(wanted) < static_cast<unsigned char>(entry.content[depth]);
        };
        first = std::lower_bound(first, last, byte, before);
        last = std::upper_bound(first, last, byte, after);
        if (first != last && first->content.size() == depth + 1) longest = &*first;
    }
    return longest;
}

std::vector<TextPart> AddedTokenFinder::split(std::string_view text, bool recognise_special) const {
    std::vector<TextPart> parts;
    std::size_t plain_begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const Entry* entry = m_entries.empty() ? nullptr : longestAt(text.substr(at));
        if (entry == nullptr) {
            ++at;
            continue;
        }
        std::size_t start = at;
        std::size_t stop = at + entry->content.size();
        at = stop;  // a match that is then refused still uses up its text
        const AddedToken& token = entry->token;
        if (token.special && !recognise_special) continue;
        if (token.single_word && (endsWithWord(text.substr(0, start)) || startsWithWord(text.substr(stop)))) continue;
        if (token.lstrip) start = spaceBefore(text.substr(0, start));  // may reach into what rstrip has taken
        if (token.rstrip) stop += spaceAfter(text.substr(stop));
        if (plain_begin < start) parts.push_back({text.substr(plain_begin, start - plain_begin), std::nullopt});
        parts.push_back({{}, token.id});
        plain_begin = stop;
    }
    if (plain_begin < text.size()) parts.push_back({text.substr(plain_begin), std::nullopt});
    return parts;
}

}  // namespace mixoscope
