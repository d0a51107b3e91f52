// Encoding: added tokens, normaliser, pre-tokenizers, BPE. Decoding: a table of bytes by id.
#include "engine/tokenizer.h"

#include <unordered_map>

#include "engine/error.h"
#include "engine/tokenizer_added_tokens.h"
#include "engine/tokenizer_bpe.h"
#include "engine/tokenizer_file.h"

namespace mixoscope {

namespace {

// Larger than any context window can hold; ICU counts text in 32 bits.
constexpr std::size_t kLargestText = std::size_t{64} * 1024 * 1024;

/// A vocabulary entry spells bytes as characters; one with a character outside that alphabet stands for itself.
std::string bytesOf(std::string_view content) {
    std::string bytes;
    for (std::string_view rest = content; !rest.empty();) {
        const Utf8Unit unit = firstUtf8Unit(rest);
        const int byte = characterByte(unit.code_point);
        if (byte < 0) return std::string(content);
        bytes.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
        rest.remove_prefix(unit.length);
    }
    return bytes;
}

struct TokenBytes {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
    bool special = false;
};

AddedTokenFinder makeFinder(const TokenizerFile& file, bool normalized) {
    std::vector<AddedTokenFinder::Entry> entries;
    for (const AddedToken& token : file.added_tokens) {
        if (token.normalized != normalized) continue;
        std::string content = token.content;
        if (normalized) {
            for (const NormalizationForm form : file.normalizers) content = normalize(content, form);
        }
        entries.push_back({std::move(content), token});
    }
    return AddedTokenFinder(std::move(entries));
}

}  // namespace

struct Tokenizer::Impl {
    explicit Impl(const TokenizerFile& file)
        : raw_tokens(makeFinder(file, false)),
          normalized_tokens(makeFinder(file, true)),
          normalizers(file.normalizers),
          bpe(file) {
        for (const PreTokenizerSpec& spec : file.pre_tokenizers) pre_tokenizers.push_back(makePreTokenizer(spec));
        table.resize(static_cast<std::size_t>(file.largest_id) + 1);
        for (const VocabularyEntry& entry : file.vocabulary) {
            setBytes(entry.id, bytesOf(entry.content));
            ids.emplace(entry.content, entry.id);
        }
        for (const AddedToken& token : file.added_tokens) {
            // One that the vocabulary lacks is spelled plainly; one that it has keeps the bytes that it has there.
            if (ids.emplace(token.content, token.id).second) setBytes(token.id, token.content);
            table[static_cast<std::size_t>(token.id)].special = token.special;
        }
    }

    void setBytes(TokenId id, std::string_view bytes) {
        TokenBytes& entry = table[static_cast<std::size_t>(id)];
        entry.begin = static_cast<std::uint32_t>(arena.size());
        entry.size = static_cast<std::uint32_t>(bytes.size());
        arena += bytes;
    }

    const TokenBytes* entry(TokenId id) const {
        const bool known = id >= 0 && static_cast<std::size_t>(id) < table.size();
        return known ? &table[static_cast<std::size_t>(id)] : nullptr;
    }

    /// Repeated words are merged once; the cache lives for one call, so that sharing between threads needs no lock.
    void encodePlain(std::string_view text, std::vector<TokenId>& out) const {
        Pieces pieces{toUtf16(text), {}};
        if (pieces.text.empty()) return;
        pieces.ranges.push_back({0, pieces.text.size()});
        for (const auto& pre_tokenizer : pre_tokenizers) pre_tokenizer->apply(pieces);
        struct Cached {
            std::size_t begin = 0;
            std::size_t end = 0;
        };
        std::unordered_map<std::u16string_view, Cached> cache;
        const std::u16string_view all(pieces.text);
        for (const TextRange range : pieces.ranges) {
            const std::u16string_view word = all.substr(range.begin, range.end - range.begin);
            const auto [cached, missing] = cache.try_emplace(word);
            if (missing) {
                cached->second.begin = out.size();
                bpe.tokenize(word, out);
                cached->second.end = out.size();
            } else {
                for (std::size_t at = cached->second.begin; at < cached->second.end; ++at) out.push_back(out[at]);
            }
        }
    }

    AddedTokenFinder raw_tokens;
    AddedTokenFinder normalized_tokens;
    std::vector<NormalizationForm> normalizers;
    std::vector<std::unique_ptr<const PreTokenizer>> pre_tokenizers;
    BpeModel bpe;
    std::unordered_map<std::string, TokenId> ids;
    std::vector<TokenBytes> table;  // by id
    std::string arena;
};

Tokenizer Tokenizer::fromJson(std::span<const std::byte> json, std::string_view file_name, std::int64_t vocab_size) {
    return Tokenizer(std::make_unique<Impl>(readTokenizerFile(json, file_name, vocab_size)));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
    if (text.size() > kLargestText) {
        throw Error({"The text is too long", "text", "at most 64 MiB", std::to_string(text.size()) + " bytes", ""});
    }
    const bool recognise = special == SpecialTokens::kRecognise;
    const std::string valid = replaceInvalidUtf8(text);
    std::vector<TokenId> ids;
    for (const TextPart& raw : m_impl->raw_tokens.split(valid, recognise)) {
        if (raw.id) {
            ids.push_back(*raw.id);
            continue;
        }
        std::string normalized(raw.text);
        for (const NormalizationForm form : m_impl->normalizers) normalized = normalize(normalized, form);
        for (const TextPart& part : m_impl->normalized_tokens.split(normalized, recognise)) {
            if (part.id) {
                ids.push_back(*part.id);
            } else {
                m_impl->encodePlain(part.text, ids);
            }
        }
    }
    return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
    std::string text;
    for (const TokenId id : ids) text += bytes(id);
    return text;
}

std::string_view Tokenizer::bytes(TokenId id) const {
    const TokenBytes* entry = m_impl->entry(id);
    return entry == nullptr ? std::string_view() : std::string_view(m_impl->arena).substr(entry->begin, entry->size);
}

bool Tokenizer::isSpecial(TokenId id) const {
    const TokenBytes* entry = m_impl->entry(id);
    return entry != nullptr && entry->special;
}

std::optional<TokenId> Tokenizer::find(std::string_view content) const {
    const auto found = m_impl->ids.find(std::string(content));
    return found == m_impl->ids.end() ? std::nullopt : std::optional(found->second);
}

std::int64_t Tokenizer::size() const {
    return static_cast<std::int64_t>(m_impl->table.size());
}

}  // namespace mixoscope
