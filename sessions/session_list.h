// The session files of a directory with what the list shows of each. Files that did not change are not read again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "sessions/workbench.h"

namespace mixoscope {

/// Bytes of a session file; a log beside it counts as part of it. 0 where there is none.
std::int64_t sessionBytes(const std::filesystem::path& path);

/// A session file with what lists show of it, order it by and search in it.
struct ListedSession : SessionInfo {
    std::vector<std::string> tags;
    std::string prompts;           // what the user wrote; cut after some thousand bytes
    std::int64_t created_s = 0;    // Unix time; of the last change where the file does not say
    std::int64_t modified_ns = 0;  // Unix time of the last change
};

class SessionList {
public:
    /// *.mixo of the directory, newest first; unreadable ones carry the reason. A directory that is not there has none.
    std::vector<ListedSession> list(const std::filesystem::path& directory) const;

private:
    mutable std::mutex m_mutex;
    mutable std::map<std::filesystem::path, ListedSession> m_known;
};

}  // namespace mixoscope
