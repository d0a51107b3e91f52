#include "sessions/probe_thread.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace mixoscope {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kFrame{16};
constexpr int kIdleWaitMs = 1000;
constexpr std::size_t kDrainAtOnce = 1024;

}  // namespace

struct ProbeThread::Impl {
    std::shared_ptr<TraceRing> ring;
    TraceRing::Reader reader;
    std::unique_ptr<Aggregates> aggregates;
    std::function<void(std::vector<LaneSnapshot>)> publish;

    std::mutex aggregates_mutex;  // guards what `aggregates` points to
    std::mutex mutex;
    std::condition_variable caught_up;
    std::uint64_t wanted = 0;     // ring position that somebody waits for
    std::uint64_t published = 0;  // ring position that the last publication holds
    std::jthread thread;

    Impl(std::shared_ptr<TraceRing> trace_ring, std::unique_ptr<Aggregates> lane_aggregates,
         std::function<void(std::vector<LaneSnapshot>)> publish_lanes)
        : ring(std::move(trace_ring)),
          reader(ring->makeReader()),
          aggregates(std::move(lane_aggregates)),
          publish(std::move(publish_lanes)),
          published(reader.position()) {
        thread = std::jthread([this](std::stop_token stop) { run(stop); });
    }

    ~Impl() {
        thread.request_stop();
        ring->wakeAll();
        thread.join();
    }

    void run(const std::stop_token& stop) {
        const TraceVisitor visitor{[this](const StepTrace& trace) { aggregates->add(trace); },
                                   [this](const LaneEvent& event) { aggregates->add(event); }};
        Clock::time_point next_frame = Clock::now();
        while (!stop.stop_requested()) {
            const std::size_t drained = drain(visitor);
            const std::uint64_t position = reader.position();
            const Clock::time_point now = Clock::now();
            if (position != publishedPosition() && (now >= next_frame || isWanted(position))) {
                publishLanes(position);
                next_frame = now + kFrame;
            }
            if (drained == kDrainAtOnce) continue;
            if (position == publishedPosition()) {
                reader.wait(kIdleWaitMs);
            } else {
                waitForFrame(next_frame, position);
            }
        }
    }

    std::size_t drain(const TraceVisitor& visitor) {
        const std::lock_guard lock(aggregates_mutex);
        return reader.drain(visitor, kDrainAtOnce);
    }

    std::vector<LaneSnapshot> lanes() {
        const std::lock_guard lock(aggregates_mutex);
        aggregates->setRing(reader.lost(), reader.peakBacklog(), ring->capacity());
        return aggregates->snapshot();
    }

    std::uint64_t publishedPosition() {
        const std::lock_guard lock(mutex);
        return published;
    }

    bool isWanted(std::uint64_t position) {
        const std::lock_guard lock(mutex);
        return wanted > published && position >= wanted;
    }

    /// More records need no attention before the frame is due; somebody who waits to catch up does.
    void waitForFrame(Clock::time_point frame, std::uint64_t position) {
        std::unique_lock lock(mutex);
        caught_up.wait_until(lock, frame, [&] { return wanted > position; });
    }

    void publishLanes(std::uint64_t position) {
        publish(lanes());
        const std::lock_guard lock(mutex);
        published = position;
        caught_up.notify_all();
    }
};

ProbeThread::ProbeThread(std::shared_ptr<TraceRing> ring, std::unique_ptr<Aggregates> aggregates,
                         std::function<void(std::vector<LaneSnapshot>)> publish)
    : m_impl(std::make_unique<Impl>(std::move(ring), std::move(aggregates), std::move(publish))) {}

ProbeThread::~ProbeThread() = default;

void ProbeThread::setSettings(LaneId lane, const LaneSettings& settings) {
    const std::lock_guard lock(m_impl->aggregates_mutex);
    m_impl->aggregates->setSettings(lane, settings);
}

void ProbeThread::catchUp() {
    std::unique_lock lock(m_impl->mutex);
    const std::uint64_t target = m_impl->ring->written();
    if (target > m_impl->wanted) m_impl->wanted = target;
    m_impl->caught_up.notify_all();
    m_impl->ring->wakeAll();
    m_impl->caught_up.wait(lock, [&] { return m_impl->published >= target; });
}

}  // namespace mixoscope
