#include "sessions/comparison_runner.h"

#include <utility>

#include "engine/routing_policy.h"
#include "engine/sampler.h"

namespace mixoscope {

/// Settings that the model would refuse are said at the lane.
void ComparisonRunner::check(ComparedLane& lane) const {
    lane.error.reset();
    if (!m_loaded) return;
    try {
        parsePolicy(lane.settings.policy, m_loaded->model);
        checkSampling(lane.settings.sampling);
    } catch (const Error& error) {
        lane.error = error.parts();
    }
}

std::vector<ComparedLane> ComparisonRunner::seats(const std::vector<LaneSettings>& lanes) const {
    std::vector<ComparedLane> seats;
    for (const LaneSettings& settings : lanes) {
        ComparedLane lane;
        lane.origin = {.lane = -1, .role = LaneRole::kCompared, .tag = static_cast<std::int32_t>(seats.size())};
        lane.origin.settings = lane.settings = settings;
        check(lane);
        seats.push_back(std::move(lane));
    }
    return seats;
}

std::shared_ptr<Comparison> ComparisonRunner::current() const {
    const std::lock_guard lock(m_mutex);
    return m_comparison;
}

void ComparisonRunner::edit(const std::function<void(ComparisonSnapshot&)>& change) {
    const std::lock_guard order(m_publishing);
    std::shared_ptr<const ComparisonSnapshot> made;
    {
        const std::lock_guard lock(m_mutex);
        change(m_planned);
        made = std::make_shared<const ComparisonSnapshot>(m_planned);
    }
    m_publish(std::move(made));
}

void ComparisonRunner::publishFrom(std::uint64_t run, std::shared_ptr<const ComparisonSnapshot> snapshot) {
    const std::lock_guard order(m_publishing);
    {
        const std::lock_guard lock(m_mutex);
        if (run != m_run) return;
    }
    m_publish(std::move(snapshot));
}

void ComparisonRunner::setLanes(std::vector<LaneSettings> lanes) {
    {
        const std::lock_guard lock(m_mutex);
        if (m_comparison) {
            m_comparison->stop();
            m_retired.push_back(std::move(m_comparison));
        }
        m_comparison.reset();
        ++m_run;
    }
    edit([&](ComparisonSnapshot& planned) {
        planned = {};
        planned.lanes = seats(lanes);
    });
}

void ComparisonRunner::setLane(std::size_t index, const LaneSettings& settings) {
    if (const auto run = current()) return run->setLane(index, settings);
    edit([&](ComparisonSnapshot& planned) {
        if (index >= planned.lanes.size()) return;
        ComparedLane& lane = planned.lanes[index];
        const LaneSettings before = std::exchange(lane.settings, settings);
        check(lane);
        if (lane.error) lane.settings = before;
    });
}

void ComparisonRunner::addLane(const LaneSettings& settings) {
    if (const auto run = current()) return run->addLane(settings);
    edit([&](ComparisonSnapshot& planned) {
        if (planned.lanes.size() >= kMostComparedLanes) return;
        std::vector<ComparedLane> added = seats({settings});
        std::int32_t tag = 0;
        for (std::size_t at = 0; at < planned.lanes.size(); ++at) {
            if (planned.lanes[at].origin.tag != tag) continue;
            ++tag;
            at = static_cast<std::size_t>(-1);  // once more from the first lane
        }
        added.front().origin.tag = tag;
        planned.lanes.push_back(std::move(added.front()));
    });
}

void ComparisonRunner::removeLane(std::size_t index) {
    if (const auto run = current()) return run->removeLane(index);
    edit([&](ComparisonSnapshot& planned) {
        if (index < planned.lanes.size())
            planned.lanes.erase(planned.lanes.begin() + static_cast<std::ptrdiff_t>(index));
    });
}

void ComparisonRunner::stop() {
    if (const auto run = current()) run->stop();
}

void ComparisonRunner::setModel(std::shared_ptr<LoadedModel> loaded) {
    std::vector<LaneSettings> lanes;
    {
        const std::lock_guard lock(m_mutex);
        m_loaded = std::move(loaded);
        const auto shown = m_comparison ? m_comparison->snapshot()->lanes : m_planned.lanes;
        for (const ComparedLane& lane : shown) {
            if (lane.origin.role == LaneRole::kCompared) lanes.push_back(lane.settings);
        }
    }
    if (!lanes.empty()) setLanes(std::move(lanes));
    retire();
}

void ComparisonRunner::retire() {
    std::vector<std::shared_ptr<Comparison>> gone;
    const std::lock_guard lock(m_mutex);
    gone.swap(m_retired);
}

void ComparisonRunner::startRun(std::vector<Message> messages, Comparison::Options options) {
    std::vector<LaneSettings> lanes;
    std::vector<std::int32_t> tags;
    std::uint64_t run = 0;
    {
        const std::lock_guard lock(m_mutex);
        if (!m_loaded) throw Error({.what = "No model is open", .advice = "Open a model first"});
        const auto shown = m_comparison ? m_comparison->snapshot()->lanes : m_planned.lanes;
        for (const ComparedLane& lane : shown) {
            if (lane.origin.role != LaneRole::kCompared) continue;  // a fork belongs to the run that it was made in
            lanes.push_back(lane.settings);
            tags.push_back(lane.origin.tag);
        }
        run = m_run + 1;
    }
    options.tags = std::move(tags);
    options.publish = [this, run](std::shared_ptr<const ComparisonSnapshot> snapshot) {
        publishFrom(run, std::move(snapshot));
    };
    auto made = std::make_shared<Comparison>(m_loaded, ComparisonPrompt{.messages = std::move(messages), .ids = {}},
                                             lanes, std::move(options));
    {
        const std::lock_guard lock(m_mutex);
        if (run != m_run + 1) return;  // other lanes were set meanwhile
        m_run = run;
        if (m_comparison) m_retired.push_back(std::move(m_comparison));
        m_comparison = std::move(made);
    }
    retire();
    comparison().startRun();
}

Comparison& ComparisonRunner::comparison() {
    const std::lock_guard lock(m_mutex);
    if (!m_comparison)
        throw Error({.what = "There is no run of the lanes to measure", .advice = "Run the lanes first"});
    return *m_comparison;
}

std::shared_ptr<Recorder> ComparisonRunner::recorder() const {
    const auto run = current();
    return run ? run->recorder() : nullptr;
}

RecorderStatus ComparisonRunner::recorderStatus() const {
    const std::lock_guard lock(m_mutex);
    return m_comparison ? m_comparison->recorderStatus() : RecorderStatus{};
}

void ComparisonRunner::close() {
    {
        const std::lock_guard lock(m_mutex);
        if (m_comparison) m_retired.push_back(std::move(m_comparison));
        m_comparison.reset();
    }
    retire();
}

void ComparisonRunner::fail(const ErrorParts& error) {
    if (const auto run = current()) return run->fail(error);
    edit([&](ComparisonSnapshot& planned) { planned.error = error; });
}

}  // namespace mixoscope
