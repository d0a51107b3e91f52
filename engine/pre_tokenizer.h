// Pre-tokenizers of tokenizer.json: each cuts pieces of text into smaller ones; ByteLevel also spells them in its
// alphabet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mixoscope {

enum class PreTokenizerKind : std::uint8_t { kSplit, kDigits, kByteLevel };

/// What becomes of the text that a pattern matches.
enum class SplitBehavior : std::uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct PreTokenizerSpec {
    PreTokenizerKind kind = PreTokenizerKind::kByteLevel;
    std::string where;  // for messages: "tokenizer.json, pre_tokenizer.pretokenizers[0]"

    std::string pattern;  // kSplit
    bool literal_pattern = false;
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;

    bool individual_digits = false;  // kDigits

    bool add_prefix_space = false;  // kByteLevel
    bool use_regex = true;
};

/// Half-open range of UTF-16 units.
struct TextRange {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// A text and the pieces it is cut into so far: in order, disjoint, none empty.
struct Pieces {
    std::u16string text;
    std::vector<TextRange> ranges;
};

class PreTokenizer {
public:
    virtual ~PreTokenizer() = default;
    /// Throws Error when a pattern needs more steps or memory for this text than any sensible one does.
    virtual void apply(Pieces& pieces) const = 0;
};

/// Throws Error for a pattern that does not compile.
std::unique_ptr<const PreTokenizer> makePreTokenizer(const PreTokenizerSpec& spec);

/// The character that stands for a byte in byte-level vocabularies (GPT-2's table), all below kByteAlphabetEnd.
char16_t byteCharacter(unsigned char byte);
/// The byte that a character stands for, −1 if none.
int characterByte(char32_t character);
constexpr std::size_t kByteAlphabetEnd = 0x144;

}  // namespace mixoscope
