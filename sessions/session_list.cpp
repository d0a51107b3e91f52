#include "sessions/session_list.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "sessions/session_name.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kNanoseconds = 1'000'000'000;  // in a second
constexpr std::size_t kMostPromptBytes = 8192;

/// What the file system says; a log beside the file counts as part of it.
ListedSession fileFacts(const std::filesystem::path& path) {
    ListedSession info;
    info.path = path;
    for (const std::string& part : {path.string(), path.string() + "-wal"}) {
        struct stat facts {};
        if (::stat(part.c_str(), &facts) != 0) continue;
        info.bytes += facts.st_size;
        info.modified_ns =
            std::max<std::int64_t>(info.modified_ns, facts.st_mtim.tv_sec * kNanoseconds + facts.st_mtim.tv_nsec);
    }
    info.modified_s = info.modified_ns / kNanoseconds;
    info.created_s = info.modified_s;
    return info;
}

/// The beginning of everything that the user wrote.
std::string promptsOf(const SessionReader& reader) {
    std::string text;
    reader.messages([&](int, int role, const std::string& message, int) {
        if (role != static_cast<int>(Role::kUser) || text.size() >= kMostPromptBytes) return;
        text += message.substr(0, kMostPromptBytes - text.size()) + '\n';
    });
    return text;
}

void readContent(ListedSession& info) {
    try {
        const SessionReader reader(info.path);
        info.title = reader.metadata("title");
        info.model = reader.model().name;
        info.tokens = reader.rowCount();
        info.tags = sessionTags(reader);
        info.prompts = promptsOf(reader);
        if (const std::time_t created = utcSeconds(reader.metadata("created_utc"))) info.created_s = created;
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

std::vector<ListedSession> SessionList::list(const std::filesystem::path& directory) const {
    const std::lock_guard lock(m_mutex);
    std::map<std::filesystem::path, ListedSession> now;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(directory, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (entry->path().extension() != ".mixo") continue;
        ListedSession info = fileFacts(entry->path());
        const auto known = m_known.find(info.path);
        if (known != m_known.end() && known->second.bytes == info.bytes &&
            known->second.modified_ns == info.modified_ns)
            info = known->second;
        else
            readContent(info);
        now.emplace(info.path, std::move(info));
    }
    m_known = std::move(now);
    std::vector<ListedSession> sessions;
    for (const auto& [path, info] : m_known) sessions.push_back(info);
    std::stable_sort(sessions.begin(), sessions.end(), [](const ListedSession& a, const ListedSession& b) {
        if (a.created_s != b.created_s) return a.created_s > b.created_s;
        return a.path > b.path;  // names begin with the time
    });
    return sessions;
}

}  // namespace mixoscope
