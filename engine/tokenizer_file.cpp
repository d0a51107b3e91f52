// Reading tokenizer.json. Whatever this tokenizer does not do is refused here, by the name of its field: ids that
// differ silently from the model's own tokenizer would be worse than no model.
#include "engine/tokenizer_file.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "engine/tokenizer_json.h"

namespace mixoscope {

namespace {

// No published vocabulary has half a million tokens; the limit bounds what a hostile id can make us allocate.
constexpr std::int64_t kLargestVocabulary = std::int64_t{1} << 22;
constexpr std::size_t kLongestAddedToken = 4096;

using VocabularyMap = std::unordered_map<std::string_view, TokenId>;

void refuse(const JsonField& field, const char* supported) {
    field.fail("This tokenizer is not supported", supported, field.found());
}

// Options of other kinds of BPE: harmless only when switched off.
void expectOff(const JsonField& parent, const char* name) {
    const auto field = parent.find(name);
    if (!field) return;
    const nlohmann::json& value = field->json();
    const bool off = (value.is_boolean() && !value.get<bool>()) ||
                     (value.is_string() && value.get_ref<const std::string&>().empty()) ||
                     (value.is_number() && value.get<double>() == 0.0);
    if (!off) refuse(*field, "this option to be off");
}

TokenId readId(const JsonField& field, std::int64_t vocab_size) {
    const std::int64_t id = field.integer();
    const bool model_limit = vocab_size > 0 && vocab_size < kLargestVocabulary;
    const std::int64_t limit = model_limit ? vocab_size : kLargestVocabulary;
    if (id < 0 || id >= limit) {
        field.fail(model_limit ? "A token's id lies outside the model's vocabulary" : "A token's id is out of range",
                   "0 to " + std::to_string(limit - 1), std::to_string(id));
    }
    return static_cast<TokenId>(id);
}

PreTokenizerSpec readSplit(const JsonField& field) {
    constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
        {"Removed", SplitBehavior::kRemoved},
        {"Isolated", SplitBehavior::kIsolated},
        {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
        {"MergedWithNext", SplitBehavior::kMergedWithNext},
        {"Contiguous", SplitBehavior::kContiguous}};
    PreTokenizerSpec spec;
    spec.kind = PreTokenizerKind::kSplit;
    spec.where = field.where();
    const JsonField pattern = field.at("pattern");
    const auto literal = pattern.find("String");
    spec.literal_pattern = literal.has_value();
    spec.pattern = literal ? literal->text() : pattern.at("Regex").text();
    const JsonField behavior = field.at("behavior");
    const auto known = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                    [&](const auto& pair) { return pair.first == behavior.text(); });
    if (known == std::end(kBehaviors)) {
        refuse(behavior, "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
    }
    spec.behavior = known->second;
    spec.invert = field.booleanAt("invert", false);
    return spec;
}

PreTokenizerSpec readPreTokenizer(const JsonField& field) {
    const JsonField type = field.at("type");
    if (type.text() == "Split") return readSplit(field);
    PreTokenizerSpec spec;
    spec.where = field.where();
    if (type.text() == "Digits") {
        spec.kind = PreTokenizerKind::kDigits;
        spec.individual_digits = field.booleanAt("individual_digits", false);
        return spec;
    }
    if (type.text() != "ByteLevel") refuse(type, "ByteLevel, Split, Digits or a Sequence of them");
    spec.kind = PreTokenizerKind::kByteLevel;
    spec.add_prefix_space = field.booleanAt("add_prefix_space", true);
    spec.use_regex = field.booleanAt("use_regex", true);
    return spec;
}

/// Members of a Sequence, sequences within it flattened, or the thing itself. Nesting is bounded by the JSON's.
std::vector<JsonField> flatten(const JsonField& field, const char* members) {
    if (field.at("type").text() != "Sequence") return {field};
    std::vector<JsonField> flat;
    for (const JsonField& member : field.at(members).items()) {
        for (JsonField& inner : flatten(member, members)) flat.push_back(std::move(inner));
    }
    return flat;
}

std::vector<PreTokenizerSpec> readPreTokenizers(const JsonField& root) {
    constexpr std::size_t kMostStages = 64;
    std::vector<PreTokenizerSpec> specs;
    const JsonField field = root.at("pre_tokenizer");
    for (const JsonField& member : flatten(field, "pretokenizers")) specs.push_back(readPreTokenizer(member));
    const auto byte_levels = std::count_if(specs.begin(), specs.end(),
                                           [](const auto& spec) { return spec.kind == PreTokenizerKind::kByteLevel; });
    if (byte_levels != 1) {
        field.fail("This tokenizer is not supported: it does not work on bytes", "one ByteLevel",
                   std::to_string(byte_levels));
    }
    if (specs.size() > kMostStages) field.fail("Too many pre-tokenizers", "at most 64", std::to_string(specs.size()));
    return specs;
}

std::vector<NormalizationForm> readNormalizers(const JsonField& root) {
    std::vector<NormalizationForm> forms;
    const auto field = root.find("normalizer");
    if (!field) return forms;
    for (const JsonField& member : flatten(*field, "normalizers")) {
        const JsonField type = member.at("type");
        if (type.text() == "NFC") {
            forms.push_back(NormalizationForm::kNfc);
        } else if (type.text() == "NFD") {
            forms.push_back(NormalizationForm::kNfd);
        } else if (type.text() == "NFKC") {
            forms.push_back(NormalizationForm::kNfkc);
        } else if (type.text() == "NFKD") {
            forms.push_back(NormalizationForm::kNfkd);
        } else {
            refuse(type, "NFC, NFD, NFKC, NFKD or a Sequence of them");
        }
    }
    // Each form is idempotent, so a repetition does nothing.
    forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
    constexpr std::size_t kMostForms = 8;
    if (forms.size() > kMostForms) field->fail("Too many normalisers", "at most 8", std::to_string(forms.size()));
    return forms;
}

void checkDecoder(const JsonField& root) {
    const auto field = root.find("decoder");
    if (!field) return;
    for (const JsonField& member : flatten(*field, "decoders")) {
        const JsonField type = member.at("type");
        if (type.text() != "ByteLevel" && type.text() != "Fuse") refuse(type, "ByteLevel");
    }
}

VocabularyMap readVocabulary(const JsonField& model, std::int64_t vocab_size, TokenizerFile& file) {
    const JsonField field = model.at("vocab");
    field.expectObject();
    file.vocabulary.reserve(field.json().size());
    VocabularyMap ids;
    ids.reserve(field.json().size());
    std::unordered_map<TokenId, std::string_view> contents;
    contents.reserve(field.json().size());
    for (const auto& [content, value] : field.json().items()) {
        const JsonField entry(value, field.where() + "[\"" + std::string(clipUtf8(content, 60)) + "\"]");
        const TokenId id = readId(entry, vocab_size);
        file.vocabulary.push_back({content, id});
        file.largest_id = std::max(file.largest_id, id);
    }
    for (const VocabularyEntry& entry : file.vocabulary) {  // keys point into the vector, which grows no more
        ids.emplace(entry.content, entry.id);
        const auto [other, unique] = contents.emplace(entry.id, entry.content);
        if (!unique) {
            field.fail("Two tokens have the same id " + std::to_string(entry.id), "an id of its own for each token",
                       '"' + std::string(clipUtf8(other->second, 60)) + "\" and \"" +
                           std::string(clipUtf8(entry.content, 60)) + '"');
        }
    }
    return ids;
}

std::pair<std::string, std::string> readMerge(const JsonField& field) {
    if (field.json().is_array()) {
        const std::vector<JsonField> pair = field.items();
        if (pair.size() != 2) field.fail("A merge joins two tokens", "an array of 2", field.found());
        return {pair[0].text(), pair[1].text()};
    }
    const std::string& text = field.text();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
        field.fail("A merge joins two tokens", "two tokens with one space between them", field.found());
    }
    return {text.substr(0, space), text.substr(space + 1)};
}

void readMerges(const JsonField& model, const VocabularyMap& ids, TokenizerFile& file) {
    const JsonField field = model.at("merges");
    field.expectArray();
    file.merges.reserve(field.json().size());
    for (std::size_t index = 0; index < field.json().size(); ++index) {
        const nlohmann::json& value = field.json()[index];
        // The header line of merges.txt, which some conversions carried along.
        if (value.is_string() && value.get_ref<const std::string&>().starts_with("#version")) continue;
        const JsonField merge(value, field.where() + "[" + std::to_string(index) + "]");
        const auto [left, right] = readMerge(merge);
        const auto id = [&](const std::string& content) {
            const auto found = ids.find(content);
            if (found == ids.end()) {
                merge.fail("A merge refers to a token that the vocabulary lacks", "a token of model.vocab",
                           '"' + std::string(clipUtf8(content, 60)) + '"');
            }
            return found->second;
        };
        file.merges.push_back({id(left), id(right), id(left + right)});
    }
}

void readModel(const JsonField& root, std::int64_t vocab_size, TokenizerFile& file, VocabularyMap& ids) {
    const JsonField model = root.at("model");
    if (const auto type = model.find("type"); type && type->text() != "BPE") refuse(*type, "BPE");
    expectOff(model, "dropout");
    expectOff(model, "byte_fallback");
    expectOff(model, "continuing_subword_prefix");
    expectOff(model, "end_of_word_suffix");
    file.ignore_merges = model.booleanAt("ignore_merges", false);
    file.fuse_unknown = model.booleanAt("fuse_unk", false);
    ids = readVocabulary(model, vocab_size, file);
    readMerges(model, ids, file);
    const auto unknown = model.find("unk_token");
    if (!unknown) return;
    const auto found = ids.find(unknown->text());
    if (found == ids.end())
        unknown->fail("The unknown token is not in the vocabulary", "a token of model.vocab", unknown->found());
    file.unknown = found->second;
}

AddedToken readAddedToken(const JsonField& field, std::int64_t vocab_size) {
    AddedToken token;
    token.content = field.at("content").text();
    if (token.content.empty()) field.at("content").fail("An added token is empty", "some text", "\"\"");
    if (token.content.size() > kLongestAddedToken) {
        field.at("content").fail("An added token is too long", "at most 4096 bytes",
                                 std::to_string(token.content.size()));
    }
    token.id = readId(field.at("id"), vocab_size);
    token.special = field.booleanAt("special", false);
    token.normalized = field.booleanAt("normalized", !token.special);
    token.single_word = field.booleanAt("single_word", false);
    token.lstrip = field.booleanAt("lstrip", false);
    token.rstrip = field.booleanAt("rstrip", false);
    return token;
}

void readAddedTokens(const JsonField& root, std::int64_t vocab_size, VocabularyMap& ids, TokenizerFile& file) {
    const auto field = root.find("added_tokens");
    if (!field) return;
    std::unordered_map<TokenId, std::string> contents;
    for (const auto& [content, id] : ids) contents.emplace(id, content);
    std::unordered_map<std::string, TokenId> added;
    for (const JsonField& item : field->items()) {
        AddedToken token = readAddedToken(item, vocab_size);
        const auto known = ids.find(token.content);
        const auto earlier = added.find(token.content);
        if ((known != ids.end() && known->second != token.id) ||
            (earlier != added.end() && earlier->second != token.id)) {
            item.at("id").fail("An added token has another id elsewhere in the file",
                               std::to_string(known != ids.end() ? known->second : earlier->second),
                               std::to_string(token.id));
        }
        const auto [owner, unique] = contents.emplace(token.id, token.content);
        if (!unique && owner->second != token.content) {
            item.at("id").fail("Two tokens have the same id " + std::to_string(token.id),
                               "an id of its own for each token",
                               '"' + std::string(clipUtf8(owner->second, 60)) + "\" and " + item.at("content").found());
        }
        file.largest_id = std::max(file.largest_id, token.id);
        if (added.emplace(token.content, token.id).second) file.added_tokens.push_back(std::move(token));
    }
}

}  // namespace

TokenizerFile readTokenizerFile(std::span<const std::byte> json, std::string_view file_name, std::int64_t vocab_size) {
    const nlohmann::json document = parseHostileJson(json, file_name);
    const JsonField root(document, std::string(file_name) + ",");
    root.expectObject();
    if (const auto version = root.find("version"); version && version->text() != "1.0") refuse(*version, "version 1.0");
    TokenizerFile file;
    VocabularyMap ids;
    readModel(root, vocab_size, file, ids);
    readAddedTokens(root, vocab_size, ids, file);
    file.normalizers = readNormalizers(root);
    file.pre_tokenizers = readPreTokenizers(root);
    checkDecoder(root);
    if (file.largest_id < 0) root.at("model").fail("The vocabulary is empty", "at least one token", "none");
    return file;
}

}  // namespace mixoscope
