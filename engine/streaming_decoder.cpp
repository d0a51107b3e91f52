// Holds back the bytes of an unfinished character, at most three, until the rest arrives.
#include "engine/tokenizer.h"
#include "engine/unicode.h"

namespace mixoscope {

std::string StreamingDecoder::push(std::string_view bytes) {
    const std::string joined = m_pending + std::string(bytes);
    m_pending.clear();
    std::string text;
    std::string_view rest = joined;
    while (!rest.empty()) {
        const Utf8Unit unit = firstUtf8Unit(rest);
        if (unit.kind == Utf8Kind::kCut) {
            m_pending = rest;
            break;
        }
        text += unit.kind == Utf8Kind::kCharacter ? rest.substr(0, unit.length) : kReplacementCharacter;
        rest.remove_prefix(unit.length);
    }
    return text;
}

std::string StreamingDecoder::finish() {
    const bool cut = !m_pending.empty();
    m_pending.clear();
    return cut ? std::string(kReplacementCharacter) : std::string();
}

std::string validUtf8(std::string_view bytes) {
    StreamingDecoder decoder;
    const std::string text = decoder.push(bytes);
    return text + decoder.finish();
}

}  // namespace mixoscope
