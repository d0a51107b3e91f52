// tokenizer.json as plain values, checked: what the file says, in the order in which it says it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"
#include "engine/pre_tokenizer.h"
#include "engine/unicode.h"

namespace mixoscope {

struct AddedToken {
    TokenId id = -1;
    std::string content;
    bool special = false;
    bool normalized = false;   // looked for in the normalised text instead of the raw one
    bool single_word = false;  // only between characters that are no word characters
    bool lstrip = false;       // takes the white space before it along
    bool rstrip = false;
};

struct VocabularyEntry {
    std::string content;  // in the byte alphabet
    TokenId id = -1;
};

/// One merge, by ids; its rank is its place.
struct BpeMerge {
    TokenId left = -1;
    TokenId right = -1;
    TokenId merged = -1;
};

struct TokenizerFile {
    std::vector<AddedToken> added_tokens;
    std::vector<NormalizationForm> normalizers;
    std::vector<PreTokenizerSpec> pre_tokenizers;
    std::vector<VocabularyEntry> vocabulary;  // unique contents, unique ids
    std::vector<BpeMerge> merges;
    std::optional<TokenId> unknown;  // absent: characters without a token give nothing
    bool fuse_unknown = false;
    bool ignore_merges = false;
    TokenId largest_id = -1;
};

/// Parses and checks tokenizer.json. Throws Error naming the field. `vocab_size` 0: ids are only held to a general
/// limit.
TokenizerFile readTokenizerFile(std::span<const std::byte> json, std::string_view file_name, std::int64_t vocab_size);

}  // namespace mixoscope
