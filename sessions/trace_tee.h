// Two sinks for one source of records.
#pragma once

#include "engine/step_trace.h"

namespace mixoscope {

class TraceTee : public TraceSink {
public:
    /// `second` may be null. Both outlive it.
    TraceTee(TraceSink& first, TraceSink* second) : m_first(first), m_second(second) {}

    void onRow(const StepTrace& trace) override {
        m_first.onRow(trace);
        if (m_second != nullptr) m_second->onRow(trace);
    }
    void onEvent(const LaneEvent& event) override {
        m_first.onEvent(event);
        if (m_second != nullptr) m_second->onEvent(event);
    }
    void onStepEnd(Step step) override {
        m_first.onStepEnd(step);
        if (m_second != nullptr) m_second->onStepEnd(step);
    }

private:
    TraceSink& m_first;
    TraceSink* m_second;
};

}  // namespace mixoscope
