// Merging with a heap over a linked list: n log n in the length of a word, so one word of a megabyte is no trap.
#include "engine/tokenizer_bpe.h"

#include <queue>
#include <tuple>

namespace mixoscope {

BpeModel::BpeModel(const TokenizerFile& file)
    : m_unknown(file.unknown), m_fuse_unknown(file.fuse_unknown), m_ignore_merges(file.ignore_merges) {
    m_characters.fill(-1);
    for (const VocabularyEntry& entry : file.vocabulary) {
        const Utf8Unit first = firstUtf8Unit(entry.content.empty() ? std::string_view(" ") : entry.content);
        if (first.length == entry.content.size() && first.code_point < kByteAlphabetEnd) {
            m_characters[first.code_point] = entry.id;
        }
        if (m_ignore_merges) m_words.emplace(toUtf16(entry.content), entry.id);
    }
    m_merges.reserve(file.merges.size());
    for (std::size_t rank = 0; rank < file.merges.size(); ++rank) {
        const BpeMerge& merge = file.merges[rank];
        m_merges[key(merge.left, merge.right)] = {static_cast<std::uint32_t>(rank), merge.merged};
    }
}

std::uint64_t BpeModel::key(TokenId left, TokenId right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) | static_cast<std::uint32_t>(right);
}

const BpeModel::Ranked* BpeModel::find(TokenId left, TokenId right) const {
    const auto found = m_merges.find(key(left, right));
    return found == m_merges.end() ? nullptr : &found->second;
}

std::vector<BpeModel::Symbol> BpeModel::symbolsOf(std::u16string_view word) const {
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    bool last_unknown = false;
    for (const char16_t unit : word) {
        const TokenId id = unit < kByteAlphabetEnd ? m_characters[unit] : -1;
        const bool unknown = id < 0;
        if (unknown && (!m_unknown || (last_unknown && m_fuse_unknown))) continue;
        const auto place = static_cast<std::int32_t>(symbols.size());
        symbols.push_back({unknown ? *m_unknown : id, place - 1, place + 1, true});
        last_unknown = unknown;
    }
    if (!symbols.empty()) symbols.back().next = -1;
    return symbols;
}

void BpeModel::merge(std::vector<Symbol>& symbols) const {
    struct Candidate {
        std::uint32_t rank;
        std::int32_t place;
        TokenId merged;
    };
    const auto later = [](const Candidate& one, const Candidate& other) {
        return std::tie(one.rank, one.place) > std::tie(other.rank, other.place);
    };
    std::vector<Candidate> storage;
    storage.reserve(symbols.size());
    std::priority_queue<Candidate, std::vector<Candidate>, decltype(later)> queue(later, std::move(storage));
    const auto offer = [&](std::int32_t left) {
        if (left < 0 || symbols[left].next < 0) return;
        if (const Ranked* found = find(symbols[left].id, symbols[symbols[left].next].id)) {
            queue.push({found->rank, left, found->merged});
        }
    };
    for (std::size_t place = 0; place < symbols.size(); ++place) offer(static_cast<std::int32_t>(place));
    while (!queue.empty()) {
        const Candidate top = queue.top();
        queue.pop();
        Symbol& left = symbols[top.place];
        if (!left.alive || left.next < 0) continue;
        Symbol& right = symbols[left.next];
        // The pair may have changed since it was offered; another pair that makes the same token is as good.
        const Ranked* found = find(left.id, right.id);
        if (found == nullptr || found->merged != top.merged) continue;
        left.id = top.merged;
        left.next = right.next;
        right.alive = false;
        if (left.next >= 0) symbols[left.next].previous = top.place;
        offer(left.previous);
        offer(top.place);
    }
}

void BpeModel::tokenize(std::u16string_view word, std::vector<TokenId>& ids) const {
    if (m_ignore_merges) {
        if (const auto whole = m_words.find(std::u16string(word)); whole != m_words.end()) {
            ids.push_back(whole->second);
            return;
        }
    }
    std::vector<Symbol> symbols = symbolsOf(word);
    merge(symbols);
    for (const Symbol& symbol : symbols) {
        if (symbol.alive) ids.push_back(symbol.id);
    }
}

}  // namespace mixoscope
