// How an answer is taken from a model's text, and when it counts as right.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace mixoscope {

enum class AnswerKind : std::uint8_t {
    kNone,        // not judged: prompts without a known answer
    kExact,       // the whole text, white space at its ends apart
    kLastNumber,  // the last number: 1,024 = 1024 = 1024.0
    kBoxed,       // what the last \boxed{…} holds, as a number where both are, else without spaces and markup
    kOption,      // the letter A to J of a multiple choice: "answer is (C)", "Answer: C", else the last letter alone
    kPattern,     // a regular expression (ICU): group 1 of its last match, or the match
};

class AnswerRule {
public:
    /// "none", "exact", "last-number", "boxed", "option" or "pattern:REGEX". Throws Error for anything else, also for a
    /// pattern that is no regular expression. `where` names the field in the message.
    static AnswerRule parse(std::string_view text, const std::string& where);
    AnswerRule() = default;

    AnswerKind kind() const { return m_kind; }
    /// The text that parse() takes.
    std::string text() const;

    /// The answer that `text` gives, in the form in which answers are compared; none found: nullopt. A text on which a
    /// pattern takes too long gives none.
    std::optional<std::string> extract(std::string_view text) const;
    /// Whether `text` gives the answer that `reference` is: a bare answer, or a text that extract() reads.
    bool correct(std::string_view text, std::string_view reference) const;

private:
    struct Pattern;
    AnswerKind m_kind = AnswerKind::kNone;
    std::shared_ptr<const Pattern> m_pattern;
};

}  // namespace mixoscope
