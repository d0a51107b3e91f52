// Finds added tokens in a text: the leftmost, and of those the longest, as tokenizers' Aho-Corasick search does.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer_file.h"

namespace mixoscope {

/// A part of a text: an added token (without text), or plain text between them.
struct TextPart {
    std::string_view text;
    std::optional<TokenId> id;
};

class AddedTokenFinder {
public:
    struct Entry {
        std::string content;  // as looked for: normalised where the token says so
        AddedToken token;
    };
    explicit AddedTokenFinder(std::vector<Entry> entries);

    /// Cuts the text. Special tokens stay plain text unless `recognise_special`. The parts point into `text`.
    std::vector<TextPart> split(std::string_view text, bool recognise_special) const;

private:
    const Entry* longestAt(std::string_view text) const;
    std::vector<Entry> m_entries;           // by content
    std::array<bool, 256> m_first_bytes{};  // most positions of a text begin no token
};

}  // namespace mixoscope
