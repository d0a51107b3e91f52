// From the lanes' snapshots to what a comparison shows of them; the same for lanes that run and for a session that is
// read back.
#pragma once

#include <map>
#include <vector>

#include "sessions/comparison_snapshot.h"

namespace mixoscope {

class ComparisonMeasures {
public:
    /// `expert_bytes`: (MoE layers) weights of one expert of the layer.
    ComparisonMeasures(const TraceShape& shape, std::vector<std::int64_t> expert_bytes);

    /// Fills everything of `comparison` that follows from the lanes: their snapshots (found by origin.lane, forced_lane
    /// and alone_lane), counts, divergences, overlaps, times and, from forced_tokens, quality. Work grows with the rows
    /// that are new since the last call.
    void measure(const std::vector<LaneSnapshot>& lanes, ComparisonSnapshot& comparison);
    /// What measureForced() said of a complete pass, so that measure() need not take its time.
    void keepQuality(LaneId forced, LaneId base, const ForcedMeasures& measures) {
        m_quality[forced] = {.base = base, .measures = measures};
    }

private:
    void measureFree(ComparedLane& lane, const ComparedLane& base, std::int64_t run_started_us);
    void measureForcedLane(ComparedLane& lane, const ComparedLane& base, const ComparisonSnapshot& comparison);
    const RoutingCounter& counted(const LaneSnapshot& lane);

    struct Overlap {
        LaneId base = -1;
        OverlapCounter counter;
    };
    struct Quality {
        LaneId base = -1;
        ForcedMeasures measures;
    };
    TraceShape m_shape;
    std::vector<std::int64_t> m_expert_bytes;
    std::map<LaneId, RoutingCounter> m_counters;
    std::map<LaneId, Overlap> m_overlaps;  // by forced lane
    std::map<LaneId, Quality> m_quality;   // by forced lane, of complete passes
};

}  // namespace mixoscope
