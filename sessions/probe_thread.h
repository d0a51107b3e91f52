// The thread that turns the trace ring into pictures: ring → aggregates → lanes, published at most once a frame.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "probes/aggregates.h"
#include "probes/trace_ring.h"

namespace mixoscope {

class ProbeThread {
public:
    /// `publish` is called on the probe thread, or not at all after the destructor has begun to return.
    ProbeThread(std::shared_ptr<TraceRing> ring, std::unique_ptr<Aggregates> aggregates,
                std::function<void(std::vector<LaneSnapshot>)> publish);
    ~ProbeThread();
    ProbeThread(const ProbeThread&) = delete;
    ProbeThread& operator=(const ProbeThread&) = delete;

    /// Settings that a lane starts with: to be said before its first record is written.
    void setSettings(LaneId lane, const LaneSettings& settings);
    /// Waits until everything that was written to the ring before is published.
    void catchUp();

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
