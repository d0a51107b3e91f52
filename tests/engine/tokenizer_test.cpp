// Parsing of tokenizer.json and what encode and decode promise, on a vocabulary small enough to read.
#include "engine/tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"

namespace mixoscope {
namespace {

using nlohmann::json;

/// h e l o Ġ w r d, a few merges, one special and one ordinary added token.
json smallTokenizer() {
    return json::parse(R"({
      "version": "1.0",
      "added_tokens": [
        {"id": 12, "content": "<|end|>", "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false},
        {"id": 13, "content": "<think>", "special": false, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false}],
      "normalizer": null,
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
      "decoder": {"type": "ByteLevel"},
      "model": {"type": "BPE", "unk_token": null,
        "vocab": {"h": 0, "e": 1, "l": 2, "o": 3, "Ġ": 4, "w": 5, "he": 6, "ll": 7, "hell": 8, "hello": 9, "Ġw": 10, "Ã": 11},
        "merges": [["h", "e"], "l l", ["he", "ll"], ["hell", "o"], ["Ġ", "w"]]}
    })");
}

Tokenizer load(const json& document, std::int64_t vocab_size = 0) {
    const std::string text = document.dump();
    return Tokenizer::fromJson(std::as_bytes(std::span(text)), "tokenizer.json", vocab_size);
}

/// A Sequence of a Split by the pattern and a plain ByteLevel.
json splitBy(const char* pattern) {
    const json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
    return {{"type", "Sequence"}, {"pretokenizers", {split, {{"type", "ByteLevel"}, {"use_regex", false}}}}};
}

std::string messageOf(const json& document, std::int64_t vocab_size = 0) {
    try {
        load(document, vocab_size);
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(Tokenizer, MergesByRankAndCutsAtWords) {
    const Tokenizer tokenizer = load(smallTokenizer());
    EXPECT_EQ(tokenizer.encode("hello"), (std::vector<TokenId>{9}));
    EXPECT_EQ(tokenizer.encode("hello wello"), (std::vector<TokenId>{9, 10, 1, 7, 3}));
    EXPECT_EQ(tokenizer.encode(""), (std::vector<TokenId>{}));
    EXPECT_EQ(tokenizer.decode(std::vector<TokenId>{9, 10, 1, 7, 3}), "hello wello");
}

TEST(Tokenizer, SpecialTokensAreRecognisedUnlessAskedNot) {
    const Tokenizer tokenizer = load(smallTokenizer());
    EXPECT_EQ(tokenizer.encode("he<|end|>he"), (std::vector<TokenId>{6, 12, 6}));
    EXPECT_EQ(tokenizer.encode("he<|end|>he", SpecialTokens::kPlainText), (std::vector<TokenId>{6, 1, 6}));
    EXPECT_EQ(tokenizer.encode("he<think>he", SpecialTokens::kPlainText), (std::vector<TokenId>{6, 13, 6}));
    EXPECT_TRUE(tokenizer.isSpecial(12));
    EXPECT_FALSE(tokenizer.isSpecial(13));
    EXPECT_EQ(tokenizer.find("<think>"), 13);
    EXPECT_EQ(tokenizer.find("hell"), 8);
    EXPECT_EQ(tokenizer.find("nothing"), std::nullopt);
    EXPECT_EQ(tokenizer.size(), 14);
}

TEST(Tokenizer, DecodesBytesAndIgnoresForeignIds) {
    const Tokenizer tokenizer = load(smallTokenizer());
    EXPECT_EQ(tokenizer.bytes(4), " ");
    EXPECT_EQ(tokenizer.bytes(11), "\xC3");
    EXPECT_EQ(tokenizer.bytes(12), "<|end|>");
    EXPECT_EQ(tokenizer.bytes(-1), "");
    EXPECT_EQ(tokenizer.bytes(14), "");
    EXPECT_EQ(tokenizer.decode(std::vector<TokenId>{9, -5, 1000000, 12}), "hello<|end|>");
}

TEST(Tokenizer, NamesTheFieldThatItCannotUse) {
    struct Case {
        const char* pointer;
        json value;
        const char* message;
    };
    const std::vector<Case> cases = {
        {"/model/type", "Unigram", "model.type"},
        {"/model/vocab", json::array(), "model.vocab"},
        {"/model/vocab/h", "zero", "model.vocab[\"h\"]"},
        {"/model/vocab/h", -1, "model.vocab[\"h\"]"},
        {"/model/vocab/h", 1, "same id 1"},
        {"/model/vocab/h", 1e12, "model.vocab[\"h\"]"},
        {"/model/vocab/h", 4194304, "model.vocab[\"h\"]"},
        {"/model/merges", 5, "model.merges"},
        {"/model/merges/0", "h  e", "model.merges[0]"},
        {"/model/merges/0", "he", "model.merges[0]"},
        {"/model/merges/0", json::array({"h"}), "model.merges[0]"},
        {"/model/merges/0", json::array({"h", 7}), "model.merges[0][1]"},
        {"/model/merges/0", "h x", "\"x\""},
        {"/model/merges/0", "h o", "\"ho\""},
        {"/model/byte_fallback", true, "model.byte_fallback"},
        {"/model/dropout", 0.5, "model.dropout"},
        {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix"},
        {"/model/unk_token", "<unk>", "model.unk_token"},
        {"/pre_tokenizer", nullptr, "pre_tokenizer"},
        {"/pre_tokenizer/type", "Metaspace", "pre_tokenizer.type"},
        {"/pre_tokenizer/use_regex", "yes", "pre_tokenizer.use_regex"},
        {"/pre_tokenizer", {{"type", "Digits"}}, "one ByteLevel"},
        {"/pre_tokenizer", splitBy("("), "pre_tokenizer.pretokenizers[0].pattern"},
        {"/pre_tokenizer", splitBy("\\bx"), "no \\b"},
        {"/pre_tokenizer", splitBy("(?im:x)"), "no (?im"},
        {"/normalizer", {{"type", "Lowercase"}}, "normalizer.type"},
        {"/decoder", {{"type", "WordPiece"}}, "decoder.type"},
        {"/added_tokens", "none", "added_tokens"},
        {"/added_tokens/0/id", 3, "same id 3"},
        {"/added_tokens/0/content", "he", "added_tokens[0].id"},
        {"/added_tokens/0/content", "", "added_tokens[0].content"},
        {"/added_tokens/1/content", "<|end|>", "added_tokens[1].id"},
        {"/version", "2.0", "version"},
    };
    for (const Case& wrong : cases) {
        json document = smallTokenizer();
        document[json::json_pointer(wrong.pointer)] = wrong.value;
        const std::string message = messageOf(document);
        EXPECT_NE(message.find(wrong.message), std::string::npos)
            << wrong.pointer << " = " << wrong.value << ": " << message;
        EXPECT_EQ(message.rfind("tokenizer.json", 0), 0U) << message;
    }
}

TEST(Tokenizer, IdsBeyondTheModelsVocabularyAreRefused) {
    EXPECT_EQ(messageOf(smallTokenizer(), 14), "no error");
    const std::string added = messageOf(smallTokenizer(), 13);
    EXPECT_NE(added.find("added_tokens[1].id"), std::string::npos) << added;
    EXPECT_NE(added.find("0 to 12"), std::string::npos) << added;
    const std::string plain = messageOf(smallTokenizer(), 5);
    EXPECT_NE(plain.find("model.vocab"), std::string::npos) << plain;
}

TEST(Tokenizer, AbsentFieldsAndTextThatIsNoJsonAreRefused) {
    for (const char* field : {"vocab", "merges"}) {
        json document = smallTokenizer();
        document["model"].erase(field);
        const std::string message = messageOf(document);
        EXPECT_NE(message.find(std::string("expected ") + field), std::string::npos) << message;
    }
    const auto fails = [](const std::string& text) {
        EXPECT_THROW(Tokenizer::fromJson(std::as_bytes(std::span(text)), "tokenizer.json"), Error)
            << text.substr(0, 40);
    };
    const std::string good = smallTokenizer().dump();
    for (std::size_t length = 0; length < good.size(); length += 7) fails(good.substr(0, length));
    fails("null");
    fails("[]");
    fails("\xFF\xFE");
    fails(std::string(5'000'000, '['));
    std::string objects;
    for (int depth = 0; depth < 1'000'000; ++depth) objects += "{\"a\":";
    fails(objects);
}

TEST(Tokenizer, APatternThatExplodesIsAnErrorAndNotAHang) {
    json document = smallTokenizer();
    document["pre_tokenizer"] = splitBy("(l+)+$x");
    const Tokenizer tokenizer = load(document);
    try {
        tokenizer.encode(std::string(5000, 'l') + "o");
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("pre_tokenizer.pretokenizers[0].pattern"), std::string::npos)
            << error.what();
    }
}

TEST(Tokenizer, ALongWordIsMergedInReasonableTime) {
    const Tokenizer tokenizer = load(smallTokenizer());
    std::string word;
    for (int count = 0; count < 100'000; ++count) word += "hello";
    EXPECT_EQ(tokenizer.encode(word).size(), 100'000U);  // quadratic merging would take hours
}

}  // namespace
}  // namespace mixoscope
