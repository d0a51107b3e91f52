// Step traces without an engine: a lane's turns with random routing from a fixed seed, told to a sink as the engine
// would.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope::test {

/// A StepTrace that owns what its spans point to. Copying copies the storage.
struct OwnedTrace {
    StepTrace trace;
    std::vector<std::int16_t> ids;
    std::vector<float> weights;
    std::vector<RouterFacts> router;
    std::vector<float> distributions;

    OwnedTrace() = default;
    explicit OwnedTrace(const StepTrace& source);
    OwnedTrace(const OwnedTrace& other) : OwnedTrace(other.view()) {}
    OwnedTrace& operator=(const OwnedTrace& other);
    /// The trace with spans over this object's storage.
    StepTrace view() const;
};

/// Equal bit for bit (NaN equals NaN).
bool sameTrace(const StepTrace& a, const StepTrace& b);
bool sameToken(const TokenTrace& a, const TokenTrace& b);
bool sameEvent(const LaneEvent& a, const LaneEvent& b);

/// A record as a sink gets it.
struct Record {
    bool is_event = false;
    OwnedTrace row;
    LaneEvent event;
};
bool sameRecord(const Record& a, const Record& b);

/// Keeps everything that it is told.
class KeepingSink : public TraceSink {
public:
    void onRow(const StepTrace& trace) override;
    void onEvent(const LaneEvent& event) override;
    void onStepEnd(Step) override {}
    std::vector<Record> records;
};

/// Ids that the synthetic lane uses for tags; ordinary tokens are 'a' … 'z' as ids 97 … 122.
constexpr TokenId kSyntheticOpen = 1;
constexpr TokenId kSyntheticClose = 2;
constexpr TokenId kSyntheticEnd = 3;
std::string syntheticBytes(TokenId id);

/// Plays turns of one or more lanes. Every row has distinct experts in descending weight, weights that sum to 1, and
/// router facts that fit them.
class SyntheticEngine {
public:
    SyntheticEngine(const TraceShape& shape, std::uint32_t seed, TraceSink& sink);

    struct Turn {
        std::int32_t kept = 0;      // positions of the lane that the prompt shares
        std::int32_t prompt = 8;    // prompt tokens in all, kept ones included
        std::int32_t thinking = 4;  // N; < 0: no block
        std::int32_t answer = 5;
    };
    void play(LaneId lane, const Turn& turn);
    /// One row with random routing; `next` may have id −1.
    void row(LaneId lane, const TokenTrace& token, const TokenTrace& next);
    void event(LaneEvent event);
    void endStep();
    Step step() const { return m_step; }
    std::int64_t serial() const { return m_serial; }

private:
    TraceShape m_shape;
    std::mt19937 m_random;
    TraceSink& m_sink;
    std::int64_t m_serial = 0;
    Step m_step = 0;
    std::int64_t m_time_us = 0;
    std::int32_t m_turn = 0;
};

}  // namespace mixoscope::test
