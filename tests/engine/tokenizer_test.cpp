// Parsing of tokenizer.json and what encode and decode promise, on a vocabulary small enough to read.
#include "engine/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/mapped_file.h"
#include "support/temporary_directory.h"

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
    return {{"type", "Sequence"},
            {"pretokenizers", {split, {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
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
    json document = smallTokenizer();
    document["model"]["vocab"]["日"] = 14;  // no letter of the byte alphabet: it stands for itself
    EXPECT_EQ(load(document).bytes(14), "日");
}

TEST(Tokenizer, TokensThatTakeTheSpaceBetweenThemTakeItOnce) {
    json document = smallTokenizer();
    document["added_tokens"][0]["rstrip"] = true;
    document["added_tokens"][1]["lstrip"] = true;
    EXPECT_EQ(load(document).encode("he<|end|>  <think>he"), (std::vector<TokenId>{6, 12, 13, 6}));
}

TEST(Tokenizer, AnEmptyMatchBehindAMatchIsNone) {
    json document = smallTokenizer();
    document["pre_tokenizer"] = splitBy("(?:hell)*");
    document["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "MergedWithNext";
    EXPECT_EQ(load(document).encode("hello"), (std::vector<TokenId>{9}));  // as the reference: one piece
}

/// `count` members that do nothing, then a plain ByteLevel.
json manyPreTokenizers(int count) {
    json members = json::array();
    for (int index = 0; index < count; ++index) members.push_back({{"type", "Digits"}});
    members.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
    return {{"type", "Sequence"}, {"pretokenizers", members}};
}

json normalizers(int count, const char* even, const char* odd) {
    json members = json::array();
    for (int index = 0; index < count; ++index) members.push_back({{"type", index % 2 == 0 ? even : odd}});
    return {{"type", "Sequence"}, {"normalizers", members}};
}

json splitWith(const char* field, const json& value) {
    json pre_tokenizer = splitBy("l");
    pre_tokenizer["pretokenizers"][0][field] = value;
    return pre_tokenizer;
}

TEST(Tokenizer, NamesTheFieldThatItCannotUse) {
    struct Case {
        const char* pointer;
        json value;
        const char* message;
    };
    const std::vector<Case> cases = {
        {"/model/type", "Unigram", "model.type"},
        {"/model/vocab", json::array(), "model.vocab: The field has the wrong type"},
        {"/model/vocab/h", "zero", "model.vocab[\"h\"]"},
        {"/model/vocab/h", -1, "model.vocab[\"h\"]"},
        {"/model/vocab/h", 1, "same id 1"},
        {"/model/vocab/h", 1e12, "model.vocab[\"h\"]"},
        {"/model/vocab/h", 4194304, "model.vocab[\"h\"]"},
        {"/model/merges", 5, "model.merges: The field has the wrong type"},
        {"/model/merges/0", "h  e", "model.merges[0]: A merge joins two tokens"},
        {"/model/merges/0", "he", "model.merges[0]: A merge joins two tokens"},
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
        {"/pre_tokenizer", splitBy(std::string(65537, 'l').c_str()), "at most 65536 bytes"},
        {"/pre_tokenizer", splitWith("behavior", "Sideways"), "pre_tokenizer.pretokenizers[0].behavior"},
        {"/pre_tokenizer", splitWith("invert", 1), "pre_tokenizer.pretokenizers[0].invert"},
        {"/pre_tokenizer", manyPreTokenizers(64), "at most 64"},
        {"/normalizer", {{"type", "Lowercase"}}, "normalizer.type"},
        {"/normalizer", normalizers(9, "NFC", "NFD"), "at most 8"},
        {"/decoder", {{"type", "WordPiece"}}, "decoder.type"},
        {"/added_tokens", "none", "added_tokens"},
        {"/added_tokens/0/id", 3, "same id 3"},
        {"/added_tokens/0/content", "he", "added_tokens[0].id"},
        {"/added_tokens/0/content", "", "added_tokens[0].content"},
        {"/added_tokens/0/content", std::string(4097, 'x'), "at most 4096 bytes"},
        {"/added_tokens/0/special", "no", "added_tokens[0].special"},
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

TEST(Tokenizer, TakesWhatOnlyLooksWrong) {
    json document = smallTokenizer();
    document["pre_tokenizer"] = manyPreTokenizers(63);
    document["normalizer"] = normalizers(20, "NFC", "NFC");  // a repetition does nothing
    document["model"]["merges"].insert(document["model"]["merges"].begin(), "#version: 0.2");
    document["model"]["unk_token"] = nullptr;
    document["model"]["continuing_subword_prefix"] = "";
    document["model"]["dropout"] = 0.0;
    document["added_tokens"][1]["content"] = "\"" + std::string(80, '[');  // brackets within a text nest nothing
    document["added_tokens"].push_back(document["added_tokens"][0]);
    const Tokenizer tokenizer = load(document);
    EXPECT_EQ(tokenizer.encode("hello"), (std::vector<TokenId>{9}));
    EXPECT_EQ(tokenizer.find("\"" + std::string(80, '[')), 13);
    document["added_tokens"][1]["content"] = std::string(4096, 'x');
    EXPECT_EQ(messageOf(document), "no error");
}

TEST(Tokenizer, FieldsThatAreAbsentMeanWhatTheReferenceTakesThemFor) {
    json document = smallTokenizer();
    document["pre_tokenizer"] = {{"type", "ByteLevel"}};  // with a space before the text, and words cut
    EXPECT_EQ(load(document).encode("hello"), (std::vector<TokenId>{4, 9}));
    EXPECT_EQ(load(document).encode("l'll"), (std::vector<TokenId>{4, 2, 7}));
    document = smallTokenizer();
    document["normalizer"] = {{"type", "NFC"}};
    document["added_tokens"] = json::array({{{"id", 12}, {"content", "\u00E9"}}});  // é: looked for in normalised text
    EXPECT_EQ(load(document).encode("he\u0301"), (std::vector<TokenId>{0, 12}));
    document["added_tokens"][0]["content"] = "e\u0301";  // and is normalised itself
    EXPECT_EQ(load(document).encode("h\u00E9"), (std::vector<TokenId>{0, 12}));
}

TEST(Tokenizer, AVocabularyWithoutTokensIsRefused) {
    json document = smallTokenizer();
    document["model"]["vocab"] = json::object();
    document["model"]["merges"] = json::array();
    document["added_tokens"] = json::array();
    EXPECT_NE(messageOf(document).find("model: The vocabulary is empty"), std::string::npos) << messageOf(document);
}

TEST(Tokenizer, FilesAndTextsThatAreTooLargeAreRefusedUnread) {
    const test::TemporaryDirectory directory;
    const auto zeros = directory / "zeros";
    std::ofstream(zeros).flush();
    std::filesystem::resize_file(zeros, (std::uintmax_t{256} << 20) + 1);  // a hole: takes no space
    const auto file = MappedFile::open(zeros);
    const auto message = [](auto action) -> std::string {
        try {
            action();
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    const std::string whole = message([&] { Tokenizer::fromJson(file->bytes(), "tokenizer.json"); });
    EXPECT_NE(whole.find("tokenizer.json: The file is too large; expected at most 256 MiB"), std::string::npos)
        << whole;
    const Tokenizer tokenizer = load(smallTokenizer());
    const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), (std::size_t{64} << 20) + 1);
    const std::string long_text = message([&] { tokenizer.encode(text); });
    EXPECT_NE(long_text.find("expected at most 64 MiB; found 67108865 bytes"), std::string::npos) << long_text;
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
    const auto message = [](const std::string& text) -> std::string {
        try {
            Tokenizer::fromJson(std::as_bytes(std::span(text)), "tokenizer.json");
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    // Nesting is refused also where it is closed again.
    const std::string nested = R"({"a":)" + std::string(64, '[') + std::string(64, ']') + "}";
    EXPECT_NE(message(nested).find("nested too deeply; expected at most 64 levels; found 65"), std::string::npos)
        << message(nested);
    EXPECT_NE(message("[]").find("expected an object; found an array of 0"), std::string::npos) << message("[]");
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

TEST(Tokenizer, APatternMayRememberALongText) {
    json document = smallTokenizer();
    document["pre_tokenizer"] = splitBy("(?:l|o)*");
    EXPECT_EQ(load(document).encode(std::string(400'000, 'l')).size(), 200'000U);
}

TEST(Tokenizer, ALongWordIsMergedInReasonableTime) {
    const Tokenizer tokenizer = load(smallTokenizer());
    std::string word;
    for (int count = 0; count < 100'000; ++count) word += "hello";
    EXPECT_EQ(tokenizer.encode(word).size(), 100'000U);  // quadratic merging would take hours
}

}  // namespace
}  // namespace mixoscope
