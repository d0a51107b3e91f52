// Prints the tokens of a turn as they come: as text, or as one JSON line each.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "engine/generation.h"
#include "engine/step_trace.h"
#include "engine/tokenizer.h"

namespace mixoscope {

class TokenPrinter : public TraceSink {
public:
    /// `tokenizer` may be null: then tokens have no text. `forward_to` (may be null) gets every call as well. `lane`:
    /// put first into each JSON line.
    TokenPrinter(std::ostream& out, bool json, const Tokenizer* tokenizer, TraceSink* forward_to,
                 std::optional<std::int32_t> lane = std::nullopt);

    void onRow(const StepTrace& trace) override;
    void onEvent(const LaneEvent& event) override;
    void onStepEnd(Step step) override;

    /// Prints what waited for the rest of a character.
    void finish();
    /// Everything that was said, tags included, the end of the turn not.
    const std::string& text() const { return m_text; }

private:
    void print(const TokenTrace& token, Step step);
    void releaseLine();

    std::ostream& m_out;
    bool m_json;
    const Tokenizer* m_tokenizer;
    TraceSink* m_forward_to;
    std::optional<std::int32_t> m_lane;
    StreamingDecoder m_decoder;
    std::string m_text;
    std::optional<nlohmann::ordered_json> m_waiting;  // a token's line, held back while its character is incomplete
};

/// The last line of --json: counts, speed, reason to stop.
nlohmann::ordered_json summaryJson(const LaneStatus& status);

}  // namespace mixoscope
