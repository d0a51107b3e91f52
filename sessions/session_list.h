// The session files of a directory with what the list shows of each. Files that did not change are not read again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include "sessions/workbench.h"

namespace mixoscope {

/// Bytes of a session file; a log beside it counts as part of it. 0 where there is none.
std::int64_t sessionBytes(const std::filesystem::path& path);

class SessionList {
public:
    /// *.mixo of the directory, newest first; unreadable ones carry the reason. A directory that is not there has none.
    std::vector<SessionInfo> list(const std::filesystem::path& directory) const;

private:
    mutable std::mutex m_mutex;
    mutable std::map<std::filesystem::path, SessionInfo> m_known;
};

}  // namespace mixoscope
