// The BPE model proper: a word in the byte alphabet → token ids, by merges in order of rank.
#pragma once

#include <array>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer_file.h"

namespace mixoscope {

class BpeModel {
public:
    explicit BpeModel(const TokenizerFile& file);

    /// Appends the ids of one piece.
    void tokenize(std::u16string_view word, std::vector<TokenId>& ids) const;

private:
    struct Ranked {
        std::uint32_t rank = 0;
        TokenId merged = -1;
    };
    struct Symbol {
        TokenId id = -1;
        std::int32_t previous = -1;
        std::int32_t next = -1;
        bool alive = true;
    };
    static std::uint64_t key(TokenId left, TokenId right);
    const Ranked* find(TokenId left, TokenId right) const;
    std::vector<Symbol> symbolsOf(std::u16string_view word) const;
    void merge(std::vector<Symbol>& symbols) const;

    std::unordered_map<std::uint64_t, Ranked> m_merges;
    std::unordered_map<std::u16string, TokenId> m_words;  // filled only for ignore_merges
    std::array<TokenId, kByteAlphabetEnd> m_characters;   // −1: no token
    std::optional<TokenId> m_unknown;
    bool m_fuse_unknown;
    bool m_ignore_merges;
};

}  // namespace mixoscope
