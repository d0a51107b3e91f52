#include "sessions/routing_replay.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "sessions/session_file.h"
#include "sessions/session_list.h"

namespace mixoscope {

namespace {

constexpr std::size_t kMostKept = 4;

/// The lane and those that it goes on from.
std::map<LaneId, std::shared_ptr<RecordedRouting>> lineOf(const SessionReader& session, LaneId lane) {
    const std::vector<LaneOrigin> origins = session.lanes();
    const TraceShape shape = session.model().shape;
    std::map<LaneId, std::shared_ptr<RecordedRouting>> line;
    while (lane >= 0 && !line.contains(lane)) {
        line[lane] = std::make_shared<RecordedRouting>(shape);
        const auto origin = std::ranges::find(origins, lane, &LaneOrigin::lane);
        lane = origin == origins.end() ? -1 : origin->parent;
    }
    return line;
}

std::shared_ptr<const RecordedRouting> read(const std::filesystem::path& path, LaneId lane) {
    const SessionReader session(path);
    const auto line = lineOf(session, lane);
    session.replay(
        [&](const StepTrace& trace) {
            if (const auto at = line.find(trace.lane); at != line.end())
                at->second->add(trace.token.position, trace.expert_ids, trace.expert_weights, trace.router);
        },
        [&](const LaneEvent& event) {
            if (event.kind != LaneEventKind::kForked) return;
            const auto fork = line.find(event.lane);
            const auto parent = line.find(static_cast<LaneId>(event.value));
            if (fork != line.end() && parent != line.end()) fork->second->copyFrom(*parent->second, event.old_value);
        });
    const std::shared_ptr<const RecordedRouting> recorded = line.at(lane);
    if (recorded->rowCount() == 0)
        throw Error({.what = "The session has recorded no routing of this lane",
                     .where = path.string() + ", lane " + std::to_string(lane),
                     .expected = "experts with their weights"});
    return recorded;
}

}  // namespace

std::shared_ptr<const RecordedRouting> routingOfSession(const std::filesystem::path& session, std::int32_t lane) {
    struct Kept {
        std::tuple<std::string, std::int32_t, std::int64_t, std::filesystem::file_time_type> key;
        std::shared_ptr<const RecordedRouting> routing;
    };
    static std::mutex mutex;
    static std::deque<Kept> kept;  // newest first
    std::error_code none;
    const std::tuple key{session.string(), lane, sessionBytes(session),
                         std::filesystem::last_write_time(session, none)};
    const std::lock_guard lock(mutex);
    const auto known = std::ranges::find(kept, key, &Kept::key);
    if (known != kept.end()) return known->routing;
    kept.push_front({key, read(session, lane)});
    if (kept.size() > kMostKept) kept.pop_back();
    return kept.front().routing;
}

void offerSessionsToReplay() {
    setRecordedRoutingReader(routingOfSession);
}

}  // namespace mixoscope
