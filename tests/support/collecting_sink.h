// A trace sink that keeps everything, for tests.
#pragma once

#include <map>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope::test {

struct CollectedRow {
    StepTrace trace;  // its spans are not valid; the copies follow
    std::vector<std::int16_t> expert_ids;
    std::vector<float> expert_weights;
    std::vector<RouterFacts> router;
    std::vector<float> distributions;
};

class CollectingSink : public TraceSink {
public:
    void onRow(const StepTrace& trace) override {
        rows.push_back({trace,
                        {trace.expert_ids.begin(), trace.expert_ids.end()},
                        {trace.expert_weights.begin(), trace.expert_weights.end()},
                        {trace.router.begin(), trace.router.end()},
                        {trace.distributions.begin(), trace.distributions.end()}});
        serials.push_back(trace.serial);
    }
    void onEvent(const LaneEvent& event) override {
        events.push_back(event);
        serials.push_back(event.serial);
    }
    void onStepEnd(Step step) override { steps.push_back(step); }

    /// Rows of one lane, in order.
    std::vector<CollectedRow> ofLane(LaneId lane) const {
        std::vector<CollectedRow> found;
        for (const CollectedRow& row : rows) {
            if (row.trace.lane == lane) found.push_back(row);
        }
        return found;
    }
    /// Tokens of one lane that were chosen, in order: each `next` once.
    std::vector<TokenTrace> chosen(LaneId lane = 0) const {
        std::vector<TokenTrace> found;
        for (const CollectedRow& row : rows) {
            if (row.trace.lane == lane && row.trace.next.id >= 0) found.push_back(row.trace.next);
        }
        return found;
    }
    std::vector<LaneEvent> eventsOf(LaneEventKind kind, LaneId lane = 0) const {
        std::vector<LaneEvent> found;
        for (const LaneEvent& event : events) {
            if (event.kind == kind && event.lane == lane) found.push_back(event);
        }
        return found;
    }

    std::vector<CollectedRow> rows;
    std::vector<LaneEvent> events;
    std::vector<std::int64_t> serials;
    std::vector<Step> steps;
};

}  // namespace mixoscope::test
