// Ids, character classes and normal forms against Hugging Face tokenizers; the data is made by
// tests/golden/make_text_golden.py.
#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/pre_tokenizer.h"
#include "engine/tokenizer.h"
#include "engine/unicode.h"
#include "support/paths.h"

namespace mixoscope {
namespace {

using nlohmann::json;

json readGolden(const std::string& name) {
    std::ifstream stream(test::goldenDirectory() / "text" / name, std::ios::binary);
    if (!stream) throw std::runtime_error("cannot open tests/golden/text/" + name);
    return json::parse(stream);
}

std::string fromHex(const std::string& hex) {
    std::string bytes;
    for (std::size_t at = 0; at < hex.size(); at += 2)
        bytes.push_back(static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
    return bytes;
}

std::vector<std::string> goldenTexts() {
    std::vector<std::string> texts;
    const json golden = readGolden("texts.json");
    for (const json& hex : golden["texts"]) texts.push_back(fromHex(hex));
    return texts;
}

Tokenizer load(const json& document) {
    const std::string text = document.dump();
    return Tokenizer::fromJson(std::as_bytes(std::span(text)), "tokenizer.json");
}

struct Variant {
    json description;
    std::vector<std::vector<TokenId>> ids;
    std::vector<std::vector<TokenId>> plain_ids;
    std::set<std::size_t> lossy;
};

/// Ids that a variant shares with the first one of its base are stored only there.
std::vector<Variant> goldenVariants(std::size_t texts) {
    const json golden = readGolden("encodings.json");
    std::map<std::string, std::vector<std::vector<TokenId>>> first;
    std::vector<Variant> variants;
    for (const json& description : golden) {
        Variant variant{description, {}, {}, {}};
        auto& base = first[description["base"]];
        variant.ids = base.empty() ? std::vector<std::vector<TokenId>>(texts) : base;
        for (const auto& [index, ids] : description["ids"].items())
            variant.ids.at(std::stoul(index)) = ids.get<std::vector<TokenId>>();
        if (base.empty()) base = variant.ids;
        variant.plain_ids = variant.ids;
        for (const auto& [index, ids] : description["plain_ids"].items()) {
            variant.plain_ids.at(std::stoul(index)) = ids.get<std::vector<TokenId>>();
        }
        variant.lossy = description["lossy"].get<std::set<std::size_t>>();
        variants.push_back(std::move(variant));
    }
    return variants;
}

TEST(TokenizerGolden, EveryVariantGivesTheReferencesIdsAndTexts) {
    const std::vector<std::string> texts = goldenTexts();
    ASSERT_GE(texts.size(), 400U);
    const json bases = readGolden("tokenizers.json");
    const std::vector<Variant> variants = goldenVariants(texts.size());
    ASSERT_GE(variants.size(), 30U);
    std::size_t returned = 0;
    for (const Variant& variant : variants) {
        SCOPED_TRACE(variant.description["name"]);
        json document = bases[variant.description["base"].get<std::string>()];
        // RFC 7396: a null removes the field, which tokenizer.json treats like null.
        document.merge_patch(variant.description["patch"]);
        const Tokenizer tokenizer = load(document);
        for (std::size_t index = 0; index < texts.size(); ++index) {
            const std::string& text = texts[index];
            EXPECT_EQ(tokenizer.encode(text), variant.ids[index]) << ::testing::PrintToString(text);
            EXPECT_EQ(tokenizer.encode(text, SpecialTokens::kPlainText), variant.plain_ids[index])
                << ::testing::PrintToString(text);
            if (variant.lossy.contains(index)) continue;
            EXPECT_EQ(tokenizer.decode(variant.ids[index]), replaceInvalidUtf8(text));
            ++returned;
        }
        if (HasFailure()) return;
    }
    EXPECT_GE(returned, 10'000U);
}

TEST(TokenizerGolden, StreamedTokensGiveTheWholeText) {
    const std::vector<std::string> texts = goldenTexts();
    const json bases = readGolden("tokenizers.json");
    json document = bases["lines"];
    document.erase("normalizer");
    const Tokenizer tokenizer = load(document);
    for (const std::string& text : texts) {
        StreamingDecoder decoder;
        std::string streamed;
        for (const TokenId id : tokenizer.encode(text)) {
            const std::string piece = decoder.push(tokenizer.bytes(id));
            EXPECT_EQ(replaceInvalidUtf8(piece), piece);
            streamed += piece;
        }
        EXPECT_EQ(streamed + decoder.finish(), replaceInvalidUtf8(text));
    }
}

/// Every character but surrogates, each behind `before`, as pieces of one text.
struct Alphabet {
    explicit Alphabet(const std::u16string& before) {
        for (char32_t code = 0; code < 0x110000; ++code) {
            if (code >= 0xD800 && code < 0xE000) continue;
            std::string text;
            appendUtf8(text, code);
            const std::size_t begin = pieces.text.size();
            pieces.text += before + toUtf16(text);
            pieces.ranges.push_back({begin, pieces.text.size()});
            codes.push_back(code);
        }
    }
    Pieces pieces;
    std::vector<char32_t> codes;
};

constexpr std::size_t kCodePoints = 0x110000;
using CharacterClass = std::vector<bool>;  // by code point

/// Characters that the pattern takes whole.
CharacterClass takenBy(const char* pattern, const Alphabet& alphabet) {
    PreTokenizerSpec spec;
    spec.kind = PreTokenizerKind::kSplit;
    spec.pattern = pattern;
    spec.behavior = SplitBehavior::kRemoved;
    Pieces left = alphabet.pieces;
    makePreTokenizer(spec)->apply(left);
    CharacterClass taken(kCodePoints);
    auto next = left.ranges.begin();
    for (std::size_t index = 0; index < alphabet.codes.size(); ++index) {
        const std::size_t end = alphabet.pieces.ranges[index].end;
        if (next == left.ranges.end() || next->begin >= end) taken[alphabet.codes[index]] = true;
        while (next != left.ranges.end() && next->begin < end) ++next;
    }
    return taken;
}

CharacterClass takenCharacters(const json& ranges) {
    CharacterClass taken(kCodePoints);
    for (const json& range : ranges) {
        for (auto code = range[0].get<std::uint32_t>(); code <= range[1].get<std::uint32_t>(); ++code)
            taken.at(code) = true;
    }
    return taken;
}

void expectClass(const json& golden, const char* name, const CharacterClass& taken) {
    const CharacterClass expected = takenCharacters(golden["classes"][name]);
    std::vector<std::uint32_t> different;
    for (char32_t code = 0; code < 0x110000; ++code) {
        // The reference may know characters that are newer than ICU's version of Unicode.
        if (u_charType(static_cast<UChar32>(code)) == U_UNASSIGNED) continue;
        if (taken[code] != expected[code]) different.push_back(code);
    }
    EXPECT_EQ(different, std::vector<std::uint32_t>()) << name;
}

TEST(TokenizerGolden, PatternsClassifyEveryCharacterAsTheReferenceDoes) {
    const json golden = readGolden("characters.json");
    const Alphabet alphabet(u"");
    const std::vector<std::pair<const char*, const char*>> classes = {
        {"white_space", R"(\s)"}, {"letter", R"(\p{L})"}, {"number", R"(\p{N})"}, {"mark", R"(\p{M})"},
        {"upper", R"(\p{Lu})"},   {"lower", R"(\p{Ll})"}, {"digit", R"(\d)"},     {"punctuation", R"(\p{P})"},
        {"symbol", R"(\p{S})"},   {"dot", "."},           {"han", R"(\p{Han})"},
    };
    for (const auto& [name, pattern] : classes) expectClass(golden, name, takenBy(pattern, alphabet));
    expectClass(golden, "contraction", takenBy(R"((?i:'s|'t|'re|'ve|'m|'ll|'d))", Alphabet(u"'")));
    CharacterClass numeric(kCodePoints);
    for (const char32_t code : alphabet.codes) numeric[code] = isNumeric(code);
    expectClass(golden, "numeric", numeric);
}

TEST(TokenizerGolden, NfcChangesTheSameCharactersInTheSameWay) {
    const json golden = readGolden("characters.json");
    std::size_t changed = 0;
    for (char32_t code = 0; code < 0x110000; ++code) {
        if (code >= 0xD800 && code < 0xE000) continue;
        std::string text;
        appendUtf8(text, code);
        const auto found = golden["nfc"].find(std::to_string(static_cast<std::uint32_t>(code)));
        const std::string expected = found == golden["nfc"].end() ? text : found->get<std::string>();
        ASSERT_EQ(normalize(text, NormalizationForm::kNfc), expected) << std::hex << static_cast<std::uint32_t>(code);
        changed += expected != text ? 1 : 0;
    }
    EXPECT_EQ(changed, golden["nfc"].size());
}

}  // namespace
}  // namespace mixoscope
