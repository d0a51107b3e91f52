#include "sessions/session_snapshot.h"

#include <limits>

#include "sessions/session_replay.h"

namespace mixoscope {

std::shared_ptr<WorkbenchSnapshot> snapshotOfSession(const std::filesystem::path& path) {
    SessionReplay replay(path);
    while (replay.readMore(std::numeric_limits<std::int64_t>::max())) {
    }
    auto snapshot = std::make_shared<WorkbenchSnapshot>(replay.snapshot());
    snapshot->serial = 1;
    return snapshot;
}

}  // namespace mixoscope
