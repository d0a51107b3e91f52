#include "sessions/session_list.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "sessions/session_file.h"

namespace mixoscope {

namespace {

/// What the file system says; a log beside the file counts as part of it.
SessionInfo fileFacts(const std::filesystem::path& path) {
    SessionInfo info;
    info.path = path;
    for (const std::string& part : {path.string(), path.string() + "-wal"}) {
        struct stat facts {};
        if (::stat(part.c_str(), &facts) != 0) continue;
        info.bytes += facts.st_size;
        info.modified_s = std::max<std::int64_t>(info.modified_s, facts.st_mtime);
    }
    return info;
}

void readContent(SessionInfo& info) {
    try {
        const SessionReader reader(info.path);
        info.title = reader.metadata("title");
        info.model = reader.model().name;
        info.tokens = reader.rowCount();
    } catch (const Error& error) {
        info.error = error.parts();
    } catch (const std::exception& error) {
        info.error = ErrorParts{.what = error.what(), .where = info.path.string()};
    }
}

}  // namespace

std::int64_t sessionBytes(const std::filesystem::path& path) {
    return fileFacts(path).bytes;
}

std::vector<SessionInfo> SessionList::list(const std::filesystem::path& directory) const {
    const std::lock_guard lock(m_mutex);
    std::map<std::filesystem::path, SessionInfo> now;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(directory, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (entry->path().extension() != ".mixo") continue;
        SessionInfo info = fileFacts(entry->path());
        const auto known = m_known.find(info.path);
        if (known != m_known.end() && known->second.bytes == info.bytes && known->second.modified_s == info.modified_s)
            info = known->second;
        else
            readContent(info);
        now.emplace(info.path, std::move(info));
    }
    m_known = std::move(now);
    std::vector<SessionInfo> sessions;
    for (const auto& [path, info] : m_known) sessions.push_back(info);
    std::stable_sort(sessions.begin(), sessions.end(), [](const SessionInfo& a, const SessionInfo& b) {
        if (a.modified_s != b.modified_s) return a.modified_s > b.modified_s;
        return a.path > b.path;  // names begin with the time
    });
    return sessions;
}

}  // namespace mixoscope
