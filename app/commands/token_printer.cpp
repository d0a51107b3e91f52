#include "app/commands/token_printer.h"

#include <cmath>

#include "sessions/record_names.h"

namespace mixoscope {

TokenPrinter::TokenPrinter(std::ostream& out, bool json, const Tokenizer* tokenizer, TraceSink* forward_to,
                           std::optional<std::int32_t> lane)
    : m_out(out), m_json(json), m_tokenizer(tokenizer), m_forward_to(forward_to), m_lane(lane) {}

void TokenPrinter::onRow(const StepTrace& trace) {
    if (m_forward_to != nullptr) m_forward_to->onRow(trace);
    if (trace.next.id >= 0) print(trace.next, trace.step);
}

void TokenPrinter::onEvent(const LaneEvent& event) {
    if (m_forward_to != nullptr) m_forward_to->onEvent(event);
}

void TokenPrinter::onStepEnd(Step step) {
    if (m_forward_to != nullptr) m_forward_to->onStepEnd(step);
    m_out.flush();
}

void TokenPrinter::print(const TokenTrace& token, Step step) {
    if ((token.flags & token_flag::kEndOfTurn) != 0) return;  // ends the turn, is no part of it
    std::string text = m_tokenizer != nullptr ? m_decoder.push(m_tokenizer->bytes(token.id)) : std::string();
    m_text += text;
    if (!m_json) {
        m_out << text;
        return;
    }
    releaseLine();
    nlohmann::ordered_json line;
    if (m_lane) line["lane"] = *m_lane;
    line["step"] = step;
    line["id"] = token.id;
    line["text"] = std::move(text);
    line["phase"] = token.phase == Phase::kThinking ? "thinking" : "answer";
    line["injected"] = (token.flags & token_flag::kInjected) != 0;
    line["logprob"] = nullptr;
    if (!std::isnan(token.logprob)) line["logprob"] = token.logprob;
    m_waiting = std::move(line);
    if (m_decoder.atCharacterBoundary()) releaseLine();
}

void TokenPrinter::releaseLine() {
    if (!m_waiting) return;
    m_out << m_waiting->dump() << '\n';
    m_waiting.reset();
}

void TokenPrinter::finish() {
    const std::string rest = m_decoder.finish();
    m_text += rest;
    if (!m_json) {
        m_out << rest << '\n';
    } else if (m_waiting) {
        (*m_waiting)["text"] = (*m_waiting)["text"].get<std::string>() + rest;
        releaseLine();
    }
    m_out.flush();
}

nlohmann::ordered_json summaryJson(const LaneStatus& status) {
    nlohmann::ordered_json summary = {{"prompt_tokens", status.prompt_tokens},
                                      {"thinking_tokens", status.thinking_tokens},
                                      {"answer_tokens", status.answer_tokens},
                                      {"injected_tokens", status.injected_tokens},
                                      {"ttft_ms", status.ttft_ms},
                                      {"tpot_ms", nullptr},
                                      {"tokens_per_s", nullptr},
                                      {"stop_reason", stopReasonName(status.stop_reason)}};
    if (status.tpot_ms > 0.0) {  // with one token there is no time between two
        summary["tpot_ms"] = status.tpot_ms;
        summary["tokens_per_s"] = 1000.0 / status.tpot_ms;
    }
    return summary;
}

}  // namespace mixoscope
