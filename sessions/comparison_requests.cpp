// What others ask of a comparison under way, from any thread: settings, lanes that come and go, its state.
#include <algorithm>
#include <utility>

#include "sessions/comparison.h"

namespace mixoscope {

// --- what others ask -------------------------------------------------------------------------------------------------

void Comparison::setLane(std::size_t index, const LaneSettings& settings) {
    {
        const std::lock_guard lock(m_mutex);
        if (index >= m_draft.lanes.size()) return;
        ComparedLane& lane = m_draft.lanes[index];
        lane.error.reset();
        try {
            LaneSettings wanted = settings;
            wanted.mode = m_loaded->possibleMode(wanted.mode);
            m_generation->checkSettings(wanted);
            if (lane.origin.lane >= 0) m_generation->requestSettings(lane.origin.lane, wanted);
            lane.settings = wanted;
            lane.notes = notesFor(wanted);
        } catch (const Error& error) {
            lane.error = error.parts();
        }
    }
    publish();
}

void Comparison::addLane(const LaneSettings& settings) {
    {
        const std::lock_guard lock(m_mutex);
        m_requests.emplace_back([this, settings] {
            std::int32_t tag = -1;
            {
                const std::lock_guard inner(m_mutex);
                if (m_draft.lanes.size() >= kMostComparedLanes) return;
                try {
                    m_draft.lanes.push_back(seat(settings));
                } catch (const Error& error) {
                    m_draft.error = error.parts();
                    return;
                }
                tag = m_draft.lanes.back().origin.tag;
            }
            if (m_run) startLane(tag);
        });
    }
}

void Comparison::removeLane(std::size_t index) {
    const std::lock_guard lock(m_mutex);
    if (index >= m_draft.lanes.size()) return;
    m_requests.emplace_back([this, tag = m_draft.lanes[index].origin.tag] { remove(tag); });
}

void Comparison::remove(std::int32_t tag) {
    std::vector<LaneId> gone;
    {
        const std::lock_guard lock(m_mutex);
        const auto lane =
            std::ranges::find_if(m_draft.lanes, [&](const ComparedLane& other) { return other.origin.tag == tag; });
        if (lane == m_draft.lanes.end() || m_draft.lanes.size() <= kFewestComparedLanes) return;
        gone = {lane->origin.lane, lane->forced_lane, lane->alone_lane};
        m_draft.lanes.erase(lane);
        m_measures.measure(m_measured, m_draft);
    }
    std::erase_if(m_waiting, [&](const Waiting& waiting) { return waiting.tag == tag; });
    m_turns.erase(tag);
    for (const LaneId lane : gone) {
        if (lane >= 0) m_generation->removeLane(lane);
    }
    publish();
}

void Comparison::takeRequests() {
    std::vector<std::function<void()>> requests;
    {
        const std::lock_guard lock(m_mutex);
        requests.swap(m_requests);
    }
    for (const auto& request : requests) request();
    if (!requests.empty()) publish();
    if (m_stopping) m_waiting.clear();
}

void Comparison::stop() {
    m_stopping = true;
    const std::lock_guard lock(m_mutex);
    for (const ComparedLane& lane : m_draft.lanes) {
        for (const LaneId id : {lane.origin.lane, lane.forced_lane, lane.alone_lane}) {
            if (id >= 0) m_generation->requestStop(id);
        }
    }
}

std::shared_ptr<Recorder> Comparison::recorder() const {
    const std::lock_guard lock(m_mutex);
    return m_recorder;
}

RecorderStatus Comparison::recorderStatus() const {
    const std::lock_guard lock(m_mutex);
    return m_recorder ? m_recorder->status() : RecorderStatus{};
}

void Comparison::fail(const ErrorParts& error) {
    {
        const std::lock_guard lock(m_mutex);
        m_draft.error = error;
        m_draft.state = ComparisonState::kReady;
    }
    publish();
}

std::int32_t Comparison::indexOf(LaneId lane) const {
    const std::lock_guard lock(m_mutex);
    for (std::size_t index = 0; index < m_draft.lanes.size(); ++index) {
        if (m_draft.lanes[index].origin.lane == lane) return static_cast<std::int32_t>(index);
    }
    return -1;
}

// --- publishing ------------------------------------------------------------------------------------------------------

std::shared_ptr<const ComparisonSnapshot> Comparison::snapshot() const {
    const std::lock_guard lock(m_mutex);
    return m_published ? m_published : std::make_shared<const ComparisonSnapshot>(m_draft);
}

ComparisonState Comparison::state() const {
    const std::lock_guard lock(m_mutex);
    return m_draft.state;
}

void Comparison::publish() {
    const std::lock_guard order(m_publishing);
    std::shared_ptr<const ComparisonSnapshot> made;
    {
        const std::lock_guard lock(m_mutex);
        made = m_published = std::make_shared<const ComparisonSnapshot>(m_draft);
    }
    if (m_options.publish) m_options.publish(std::move(made));
}

void Comparison::lanesMeasured(std::vector<LaneSnapshot> lanes) {
    {
        const std::lock_guard lock(m_mutex);
        m_measured = std::move(lanes);
        m_measures.measure(m_measured, m_draft);
    }
    publish();
}

}  // namespace mixoscope
