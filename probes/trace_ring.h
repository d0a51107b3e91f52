// The way from the engine to everyone who watches: preallocated slots of constant size, one writer that never blocks, each
// reader with its own cursor and its own count of lost records.
#pragma once

#include "engine/step_trace.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>

namespace mixoscope {

/// What a reader gets: the spans of the trace point into the ring and are valid during the call only.
struct TraceVisitor {
    std::function<void(const StepTrace&)> row;
    std::function<void(const LaneEvent&)> event;
};

class TraceRing : public TraceSink {
public:
    /// Preallocates `slots` records of the shape (rounded up to a power of two).
    TraceRing(const TraceShape& shape, std::size_t slots);
    ~TraceRing() override;

    void onRow(const StepTrace& trace) override;
    void onEvent(const LaneEvent& event) override;
    void onStepEnd(Step step) override;  // wakes waiting readers

    const TraceShape& shape() const;
    std::size_t capacity() const;

    class Reader {
    public:
        /// Visits what was written since the last call, oldest first, at most `limit` records; returns how many. Records
        /// overwritten before they were read are skipped and counted in lost().
        std::size_t drain(const TraceVisitor& visitor, std::size_t limit = SIZE_MAX);
        /// Waits until there is something to read, `timeout_ms` have passed, or wakeAll() was called.
        void wait(int timeout_ms);
        std::int64_t lost() const;
        std::size_t backlog() const;
        /// Largest backlog seen so far, for the "peak n % full" check.
        std::size_t peakBacklog() const;

    private:
        friend class TraceRing;
        struct State;
        std::shared_ptr<State> m_state;
    };
    /// A reader that starts at the next record written. The ring must outlive it.
    Reader makeReader();
    void wakeAll();

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
