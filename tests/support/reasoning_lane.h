// A seeded generator of step traces that look like a reasoning model's: for tests and benchmarks of whatever reads
// traces.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope::test {

struct LaneLength {
    std::int32_t prompt = 40;
    std::int32_t thinking = 60;  // N
    std::int32_t answer = 20;
    std::int32_t budget = 128;
    bool cut_by_budget = false;  // the block ends with an injected text
};

/// Rows of one lane, one call a row. Spans of a trace stay valid until the next call.
class ReasoningLane {
public:
    ReasoningLane(TraceShape shape, LaneLength length, std::uint64_t seed, LaneId lane = 0);
    /// False once the turn is over.
    bool atEnd() const;
    StepTrace next();
    /// A text for every id that the traces use.
    static std::string tokenBytes(TokenId id);

private:
    TokenTrace tokenAt(std::int32_t position) const;
    void routeLayer(std::int32_t layer);

    TraceShape m_shape;
    LaneLength m_length;
    std::int32_t m_injected = 0;
    LaneId m_lane;
    std::mt19937_64 m_random;
    std::vector<float> m_bias;  // (moe_layers, experts): some experts are liked more
    std::int32_t m_position = 0;
    std::vector<std::int16_t> m_ids;
    std::vector<float> m_weights;
    std::vector<RouterFacts> m_router;
    std::vector<float> m_distributions;
};

}  // namespace mixoscope::test
