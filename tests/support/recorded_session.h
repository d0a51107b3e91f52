// A session file recorded from synthetic turns, with what was told to the recorder kept beside it for comparison.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "probes/trace_ring.h"
#include "sessions/recorder.h"
#include "support/synthetic_trace.h"

namespace mixoscope::test {

SessionModel syntheticModel(const TraceShape& shape);
RecordingOptions syntheticRecording(const std::filesystem::path& file, const TraceShape& shape);

/// Tells ring and keeper the same, and the ring's readers are waited for by nobody.
class RingAndKeeper : public TraceSink {
public:
    RingAndKeeper(const TraceShape& shape, std::size_t slots) : ring(std::make_shared<TraceRing>(shape, slots)) {}
    void onRow(const StepTrace& trace) override { ring->onRow(trace), kept.onRow(trace); }
    void onEvent(const LaneEvent& event) override { ring->onEvent(event), kept.onEvent(event); }
    void onStepEnd(Step step) override { ring->onStepEnd(step); }

    std::shared_ptr<TraceRing> ring;
    KeepingSink kept;
};

/// Everything in the file, in its order.
std::vector<Record> replayed(const std::filesystem::path& file);

/// A finished session of `turns` turns; returns what was recorded.
std::vector<Record> recordSession(const std::filesystem::path& file, const TraceShape& shape, int turns,
                                  std::uint32_t seed);

}  // namespace mixoscope::test
