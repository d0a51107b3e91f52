#include "views/chat_text.h"

#include <algorithm>

namespace mixoscope {

// A byte order mark is a character like any other here: the text has to stay exact.
TokenText::TokenText() : m_decoder(QStringDecoder::Utf8, QStringDecoder::Flag::ConvertInitialBom) {}

void TokenText::append(const TokenRecord& token) {
    const auto start = static_cast<std::int32_t>(m_text.size());
    const QByteArrayView bytes(token.bytes.data(), static_cast<qsizetype>(token.bytes.size()));
    m_text += QString(m_decoder(bytes));
    const auto end = static_cast<std::int32_t>(m_text.size());
    m_waiting = !bytes.isEmpty() && end == start;
    m_tokens.push_back({token.trace.position, start, end, token.trace.flags});
}

void TokenText::finish() {
    if (!m_waiting) return;
    m_waiting = false;
    m_text += QChar(QChar::ReplacementCharacter);
    m_tokens.back().end = static_cast<std::int32_t>(m_text.size());
}

std::int32_t TokenText::tokenAt(std::int32_t offset) const {
    const auto next = std::upper_bound(m_tokens.begin(), m_tokens.end(), offset,
                                       [](std::int32_t value, const TextToken& token) { return value < token.end; });
    if (next == m_tokens.end() || offset < next->start) return -1;
    return static_cast<std::int32_t>(next - m_tokens.begin());
}

std::int32_t TokenText::indexOf(std::int32_t position) const {
    const auto found =
        std::lower_bound(m_tokens.begin(), m_tokens.end(), position,
                         [](const TextToken& token, std::int32_t value) { return token.position < value; });
    if (found == m_tokens.end() || found->position != position) return -1;
    return static_cast<std::int32_t>(found - m_tokens.begin());
}

TextToken TokenText::shownCharacters(std::int32_t index) const {
    auto token = m_tokens[static_cast<std::size_t>(index)];
    for (auto next = static_cast<std::size_t>(index); token.end == token.start && next + 1 < m_tokens.size(); ++next) {
        token.end = m_tokens[next + 1].end;
    }
    return token;
}

}  // namespace mixoscope
