// Regular expressions are ICU's, set up to mean what Oniguruma's Ruby syntax means, which tokenizer.json is written
// for.
#include "engine/pre_tokenizer.h"

#include <unicode/regex.h>
#include <unicode/utf16.h>

#include <array>
#include <span>
#include <string_view>

#include "engine/error.h"
#include "engine/unicode.h"

namespace mixoscope {

namespace {

// Byte-level BPE's own pattern, used when ByteLevel says use_regex.
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::size_t kLargestPattern = 64 * 1024;
constexpr std::int32_t kBacktrackBytes = 64 * 1024 * 1024;
// ICU reports every 10,000 steps of its matcher. Patterns in use need a few steps a character.
constexpr std::size_t kBaseReports = 100;
constexpr std::size_t kUnitsPerReport = 100;

struct Match {
    TextRange range;
    bool is_match = false;
};

/// What Oniguruma and ICU understand differently: word characters and boundaries, hexadecimal \h, and the flag m.
std::string_view ambiguousConstruct(std::string_view pattern) {
    constexpr std::string_view kEscapes = "bBhHwWRXKGN";
    for (std::size_t at = 0; at + 1 < pattern.size(); ++at) {
        if (pattern[at] == '\\') {
            if (kEscapes.find(pattern[at + 1]) != std::string_view::npos) return pattern.substr(at, 2);
            ++at;
        } else if (pattern.substr(at).starts_with("(?")) {
            const std::size_t flags = pattern.find_first_not_of("imsx-", at + 2);
            const std::string_view group = pattern.substr(at, flags == std::string_view::npos ? flags : flags - at);
            if (group.find('m') != std::string_view::npos) return group;
        }
    }
    return {};
}

struct StepBudget {
    std::size_t reports_left = 0;
};

UBool countSteps(const void* context, std::int32_t /*steps*/) {
    auto& budget = *static_cast<StepBudget*>(const_cast<void*>(context));
    if (budget.reports_left == 0) return 0;
    --budget.reports_left;
    return 1;
}

class Pattern {
public:
    Pattern(std::string_view pattern, bool literal, std::string where) : m_where(std::move(where)) {
        if (pattern.size() > kLargestPattern) {
            throw Error(
                {"The pattern is too long", m_where, "at most 65536 bytes", std::to_string(pattern.size()), ""});
        }
        if (const std::string_view construct = literal ? std::string_view() : ambiguousConstruct(pattern);
            !construct.empty()) {
            throw Error({"The pattern is not supported", m_where, "no " + std::string(construct),
                         std::string(clipUtf8(pattern, 200)), ""});
        }
        // In Ruby's syntax ^ and $ stand at every line, and only \n ends a line.
        const std::uint32_t flags = literal ? UREGEX_LITERAL : UREGEX_MULTILINE | UREGEX_UNIX_LINES;
        UErrorCode status = U_ZERO_ERROR;
        UParseError position{};
        m_pattern.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(pattern), flags, position, status));
        if (U_FAILURE(status)) {
            throw Error({"The pattern cannot be used", m_where, "a regular expression",
                         std::string(u_errorName(status)) + " at character " + std::to_string(position.offset), ""});
        }
    }

    /// Matches and what lies between them, which together make up the range.
    template <typename Sink>
    void cut(const std::u16string& text, std::span<const TextRange> ranges, const Sink& sink) const {
        UErrorCode status = U_ZERO_ERROR;
        const icu::UnicodeString alias(false, text.data(), static_cast<std::int32_t>(text.size()));
        const std::unique_ptr<icu::RegexMatcher> matcher(m_pattern->matcher(alias, status));
        StepBudget budget{kBaseReports + text.size() / kUnitsPerReport};
        check(status);
        matcher->setStackLimit(kBacktrackBytes, status);
        matcher->setMatchCallback(countSteps, &budget, status);
        std::vector<Match> matches;
        for (const TextRange range : ranges) {
            matches.clear();
            matcher->region(static_cast<std::int64_t>(range.begin), static_cast<std::int64_t>(range.end), status);
            std::size_t previous = range.begin;
            while (matcher->find(status) && U_SUCCESS(status)) {
                const auto begin = static_cast<std::size_t>(matcher->start64(status));
                const auto end = static_cast<std::size_t>(matcher->end64(status));
                // Oniguruma's iteration never gives an empty match right behind the last one.
                if (begin == end && !matches.empty() && matches.back().is_match && matches.back().range.end == begin)
                    continue;
                if (previous != begin) matches.push_back({{previous, begin}, false});
                matches.push_back({{begin, end}, true});
                previous = end;
            }
            check(status);
            if (previous != range.end) matches.push_back({{previous, range.end}, false});
            sink(matches);
        }
    }

private:
    void check(UErrorCode status) const {
        if (U_SUCCESS(status)) return;
        throw Error({"The pattern needs too many steps or too much memory for this text", m_where, "",
                     u_errorName(status), "Shorten the text or use another tokenizer"});
    }

    std::string m_where;
    std::unique_ptr<icu::RegexPattern> m_pattern;
};

void appendRange(std::vector<TextRange>& ranges, TextRange range) {
    if (range.begin != range.end) ranges.push_back(range);
}

// The three merging behaviours look at whether the neighbour was a match too, so a run of matches merges only once.
std::vector<TextRange> mergeBackwards(std::span<const Match> matches) {
    std::vector<TextRange> ranges;
    bool previous = false;
    for (const Match& match : matches) {
        if (match.is_match && !previous && !ranges.empty()) {
            ranges.back().end = match.range.end;
        } else {
            ranges.push_back(match.range);
        }
        previous = match.is_match;
    }
    return ranges;
}

std::vector<TextRange> mergeForwards(std::span<const Match> matches) {
    std::vector<TextRange> ranges;
    bool previous = false;
    for (std::size_t index = matches.size(); index-- > 0;) {
        const Match& match = matches[index];
        if (match.is_match && !previous && !ranges.empty()) {
            ranges.back().begin = match.range.begin;
        } else {
            ranges.push_back(match.range);
        }
        previous = match.is_match;
    }
    return {ranges.rbegin(), ranges.rend()};
}

std::vector<TextRange> mergeRuns(std::span<const Match> matches) {
    std::vector<TextRange> ranges;
    bool previous = false;
    for (const Match& match : matches) {
        if (match.is_match == previous && !ranges.empty()) {
            ranges.back().end = match.range.end;
        } else {
            ranges.push_back(match.range);
        }
        previous = match.is_match;
    }
    return ranges;
}

void applyBehavior(SplitBehavior behavior, std::span<const Match> matches, std::vector<TextRange>& ranges) {
    std::vector<TextRange> merged;
    switch (behavior) {
        case SplitBehavior::kRemoved:
        case SplitBehavior::kIsolated:
            for (const Match& match : matches) {
                if (behavior == SplitBehavior::kIsolated || !match.is_match) appendRange(ranges, match.range);
            }
            return;
        case SplitBehavior::kMergedWithPrevious:
            merged = mergeBackwards(matches);
            break;
        case SplitBehavior::kMergedWithNext:
            merged = mergeForwards(matches);
            break;
        case SplitBehavior::kContiguous:
            merged = mergeRuns(matches);
            break;
    }
    for (const TextRange range : merged) appendRange(ranges, range);
}

class Split : public PreTokenizer {
public:
    explicit Split(const PreTokenizerSpec& spec)
        : m_pattern(spec.pattern, spec.literal_pattern, spec.where + ".pattern"),
          m_behavior(spec.behavior),
          m_invert(spec.invert) {}

    void apply(Pieces& pieces) const override {
        std::vector<TextRange> ranges;
        m_pattern.cut(pieces.text, pieces.ranges, [&](std::vector<Match>& matches) {
            if (m_invert) {
                for (Match& match : matches) match.is_match = !match.is_match;
            }
            applyBehavior(m_behavior, matches, ranges);
        });
        pieces.ranges = std::move(ranges);
    }

private:
    Pattern m_pattern;
    SplitBehavior m_behavior;
    bool m_invert;
};

char32_t characterAt(const std::u16string& text, std::size_t begin, std::size_t end, std::size_t& next) {
    const char32_t lead = text[begin];
    next = begin + 1;
    if (U16_IS_LEAD(lead) && next < end && U16_IS_TRAIL(text[next])) {
        ++next;
        return static_cast<char32_t>(U16_GET_SUPPLEMENTARY(lead, text[begin + 1]));
    }
    return lead;
}

class Digits : public PreTokenizer {
public:
    explicit Digits(bool individual) : m_behavior(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous) {}

    void apply(Pieces& pieces) const override {
        std::vector<TextRange> ranges;
        std::vector<Match> matches;
        for (const TextRange range : pieces.ranges) {
            matches.clear();
            std::size_t previous = range.begin;
            std::size_t next = 0;
            for (std::size_t at = range.begin; at < range.end; at = next) {
                if (!isNumeric(characterAt(pieces.text, at, range.end, next))) continue;
                if (previous != at) matches.push_back({{previous, at}, false});
                matches.push_back({{at, next}, true});
                previous = next;
            }
            if (previous != range.end) matches.push_back({{previous, range.end}, false});
            applyBehavior(m_behavior, matches, ranges);
        }
        pieces.ranges = std::move(ranges);
    }

private:
    SplitBehavior m_behavior;
};

class ByteLevel : public PreTokenizer {
public:
    explicit ByteLevel(const PreTokenizerSpec& spec) : m_add_prefix_space(spec.add_prefix_space) {
        if (spec.use_regex) m_pattern = std::make_unique<Pattern>(kByteLevelPattern, false, spec.where);
    }

    void apply(Pieces& pieces) const override {
        if (m_add_prefix_space) prefixSpaces(pieces);
        if (m_pattern) {
            std::vector<TextRange> ranges;
            m_pattern->cut(pieces.text, pieces.ranges, [&](const std::vector<Match>& matches) {
                applyBehavior(SplitBehavior::kIsolated, matches, ranges);
            });
            pieces.ranges = std::move(ranges);
        }
        spellInBytes(pieces);
    }

private:
    static void prefixSpaces(Pieces& pieces) {
        Pieces prefixed;
        for (const TextRange range : pieces.ranges) {
            const std::size_t begin = prefixed.text.size();
            if (pieces.text[range.begin] != u' ') prefixed.text.push_back(u' ');
            prefixed.text.append(pieces.text, range.begin, range.end - range.begin);
            prefixed.ranges.push_back({begin, prefixed.text.size()});
        }
        pieces = std::move(prefixed);
    }

    static void spellInBytes(Pieces& pieces) {
        Pieces spelled;
        spelled.text.reserve(pieces.text.size());
        spelled.ranges.reserve(pieces.ranges.size());
        std::string bytes;
        for (const TextRange range : pieces.ranges) {
            const std::size_t begin = spelled.text.size();
            std::size_t next = 0;
            for (std::size_t at = range.begin; at < range.end; at = next) {
                bytes.clear();
                appendUtf8(bytes, characterAt(pieces.text, at, range.end, next));
                for (const char byte : bytes) spelled.text.push_back(byteCharacter(static_cast<unsigned char>(byte)));
            }
            spelled.ranges.push_back({begin, spelled.text.size()});
        }
        pieces = std::move(spelled);
    }

    bool m_add_prefix_space;
    std::unique_ptr<Pattern> m_pattern;
};

/// Printable Latin-1 bytes stand for themselves, the others for the characters from U+0100 on, in order.
struct ByteAlphabet {
    std::array<char16_t, 256> characters{};
    std::array<std::int16_t, kByteAlphabetEnd> bytes{};

    constexpr ByteAlphabet() {
        bytes.fill(-1);
        char16_t next = 0x100;
        for (unsigned byte = 0; byte < 256; ++byte) {
            const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
            characters[byte] = printable ? static_cast<char16_t>(byte) : next++;
            bytes[characters[byte]] = static_cast<std::int16_t>(byte);
        }
    }
};
constexpr ByteAlphabet kByteAlphabet;

}  // namespace

char16_t byteCharacter(unsigned char byte) {
    return kByteAlphabet.characters[byte];
}

int characterByte(char32_t character) {
    return character < kByteAlphabetEnd ? kByteAlphabet.bytes[character] : -1;
}

std::unique_ptr<const PreTokenizer> makePreTokenizer(const PreTokenizerSpec& spec) {
    switch (spec.kind) {
        case PreTokenizerKind::kSplit:
            return std::make_unique<Split>(spec);
        case PreTokenizerKind::kDigits:
            return std::make_unique<Digits>(spec.individual_digits);
        case PreTokenizerKind::kByteLevel:
            return std::make_unique<ByteLevel>(spec);
    }
    return nullptr;
}

}  // namespace mixoscope
