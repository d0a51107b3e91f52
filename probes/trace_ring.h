// The way from the engine to everyone who watches: preallocated slots of constant size, one writer that never blocks,
// each reader with its own cursor and its own count of lost records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/step_trace.h"

namespace mixoscope {

/// What a reader gets: the spans of the trace are valid during the call only.
struct TraceVisitor {
    std::function<void(const StepTrace&)> row;
    std::function<void(const LaneEvent&)> event;
};

class TraceRing : public TraceSink {
public:
    /// Preallocates `slots` records of the shape (rounded up to a power of two).
    TraceRing(const TraceShape& shape, std::size_t slots);
    ~TraceRing() override;
    TraceRing(const TraceRing&) = delete;
    TraceRing& operator=(const TraceRing&) = delete;

    /// Bytes that one slot of the shape takes, to choose the number of slots by memory.
    static std::size_t slotBytes(const TraceShape& shape);

    void onRow(const StepTrace& trace) override;
    void onEvent(const LaneEvent& event) override;  // wakes waiting readers
    void onStepEnd(Step step) override;             // wakes waiting readers

    const TraceShape& shape() const;
    std::size_t capacity() const;
    /// Records written since the ring was made.
    std::uint64_t written() const;

    /// One thread reads at a time; lost(), backlog() and peakBacklog() may be asked from any thread.
    class Reader {
    public:
        /// Visits what was written since the last call, oldest first, at most `limit` records; returns how many.
        /// Records overwritten before they were read are skipped and counted in lost().
        std::size_t drain(const TraceVisitor& visitor, std::size_t limit = SIZE_MAX);
        /// Waits until there is something to read, `timeout_ms` have passed, or wakeAll() was called.
        void wait(int timeout_ms);
        std::int64_t lost() const;
        std::size_t backlog() const;
        /// Largest backlog seen so far, for the "peak n % full" check.
        std::size_t peakBacklog() const;
        /// Records visited or lost so far, counted as TraceRing::written() counts.
        std::uint64_t position() const;

    private:
        friend class TraceRing;
        struct State;
        std::shared_ptr<State> m_state;
    };
    /// A reader that starts at the next record written. The ring must outlive it. Readers are few: each costs the
    /// writer one load a step for as long as the ring lives.
    Reader makeReader();
    void wakeAll();

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
