#include "sessions/session_library.h"

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "sessions/disk_sync.h"
#include "sessions/schema.h"
#include "sessions/session_edit.h"
#include "sessions/session_file.h"
#include "sessions/session_list.h"

namespace mixoscope {

namespace {

constexpr int kBusyTimeoutMs = 2000;  // of a file that is being made
constexpr int kAttempts = 10;
constexpr std::chrono::milliseconds kPause{50};
constexpr const char* kTrash = ".trash";
constexpr const char* kLog = "-wal";

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

[[noreturn]] void cannot(const std::string& what, const std::filesystem::path& path, const std::error_code& why) {
    throw Error({.what = what, .where = path.string(), .found = why.message()});
}

/// Moves a file to a name that is free: the wanted one, or with a number. Never over another file, whatever other
/// programs do meanwhile. Returns the name.
std::filesystem::path moveToFreeName(const std::filesystem::path& from, const std::filesystem::path& wanted,
                                     const std::string& what) {
    for (int number = 1;; ++number) {
        const std::filesystem::path to =
            number == 1 ? wanted
                        : wanted.parent_path() /
                              (wanted.stem().string() + "-" + std::to_string(number) + wanted.extension().string());
        if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return to;
        if (errno == EEXIST) continue;
        std::error_code failure(errno, std::generic_category());
        if (failure == std::errc::invalid_argument) {  // a file system that cannot tell
            if (std::filesystem::exists(to)) continue;
            std::filesystem::rename(from, to, failure);
            if (!failure) return to;
        }
        cannot(what, from, failure);
    }
}

/// A file of which nobody else thinks that it is theirs; lists do not show it. It is removed unless it was moved away.
class PartFile {
public:
    explicit PartFile(const std::filesystem::path& wanted) {
        static std::atomic<int> count = 0;
        m_path = wanted.string() + ".part-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    }
    ~PartFile() {
        std::error_code ignored;
        std::filesystem::remove(m_path, ignored);
    }
    PartFile(const PartFile&) = delete;
    PartFile& operator=(const PartFile&) = delete;
    const std::filesystem::path& path() const { return m_path; }

private:
    std::filesystem::path m_path;
};

bool isLocked(int code) {
    return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

/// Tries what SQLite itself does not wait for until nobody stands in its way, for half a second; returns its last code.
template <typename Action>
int patiently(const Action& action) {
    int code = action();
    for (int attempt = 1; attempt < kAttempts && isLocked(code); ++attempt) {
        std::this_thread::sleep_for(kPause);
        code = action();
    }
    return code;
}

/// Copies as the database is at one moment, its log included.
void copySession(const std::filesystem::path& from, const std::filesystem::path& to, std::string_view doing) {
    onSession(from, SQLite::OPEN_READONLY, doing, [&](SQLite::Database& source) {
        // Holds the source as it is; a backup of a file that is locked would end empty and say nothing.
        SQLite::Transaction reading(source);
        source.execAndGet("SELECT row_count FROM totals WHERE id = 1");
        SQLite::Database copy(to.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyTimeoutMs);
        const int code = SQLite::Backup(copy, source).executeStep(-1);
        if (code != SQLITE_DONE) throw SQLite::Exception("the session was not copied whole", code);
        // A copy stands alone: no log beside it.
        copy.exec("PRAGMA journal_mode = DELETE");
    });
}

/// Brings what a program that was killed left in the log beside a session into the file. Only who is alone with a file
/// can: a recorder has it open for as long as it records, a reader for a moment.
void foldLog(const std::filesystem::path& session, std::string_view doing) {
    if (!std::filesystem::exists(session.string() + kLog)) return;
    onSession(session, SQLite::OPEN_READWRITE, doing, [&](SQLite::Database& database) {
        const int code = patiently([&] { return database.tryExec("PRAGMA journal_mode = DELETE"); });
        if (isLocked(code))
            throw Error({.what = std::string(doing) + ": it is being recorded",
                         .where = session.string(),
                         .expected = "a session that no program writes to",
                         .found = session.filename().string() + kLog + " in use",
                         .advice = "Begin a new conversation there first"});
        if (code != SQLITE_OK) throw SQLite::Exception(database.getHandle(), code);
    });
}

/// What is damaged stays as it is: a new file would lack, without a word, whatever can no longer be found.
void requireSound(SQLite::Database& database, const std::filesystem::path& session, std::string_view doing) {
    const std::string found = database.execAndGet("PRAGMA quick_check(1)").getString();
    if (found == "ok") return;
    throw Error({.what = std::string(doing) + ": the file is damaged", .where = session.string(), .found = found});
}

/// Who waited while another program compacted the session would bring the old file back.
void requireStillThere(const SQLite::Database& database) {
    int moved = 0;
    sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved != 0) throw SQLite::Exception("another program has just replaced the file", SQLITE_BUSY);
}

/// Puts a complete file in the place of another one, with its permissions. A crash leaves one of the two.
void replaceFile(const std::filesystem::path& with, const std::filesystem::path& file, const std::string& what) {
    std::error_code failure;
    std::filesystem::permissions(with, std::filesystem::status(file).permissions(), failure);
    syncToDisk(with);
    std::filesystem::rename(with, file, failure);
    if (failure) cannot(what, file, failure);
    syncToDisk(file.parent_path());
}

}  // namespace

void renameSession(const std::filesystem::path& session, const std::string& title) {
    const std::string name = trimmed(title);
    if (name.empty()) throw Error({.what = "A session needs a name", .where = session.string(), .expected = "a text"});
    editSession(session, [&](SQLite::Database& database) { setMetadata(database, "title", name); });
}

void setSessionTags(const std::filesystem::path& session, const std::vector<std::string>& tags) {
    std::vector<std::string> kept;
    for (const std::string& tag : tags) {
        const std::string name = trimmed(tag);
        if (!name.empty() && std::ranges::find(kept, name) == kept.end()) kept.push_back(name);
    }
    const std::string text = nlohmann::json(kept).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    editSession(session, [&](SQLite::Database& database) { setMetadata(database, "tags", text); });
}

std::vector<std::string> sessionTags(const SessionReader& session) {
    const auto tags = nlohmann::json::parse(session.metadata("tags"), nullptr, false);
    std::vector<std::string> found;
    if (!tags.is_array()) return found;
    for (const auto& tag : tags) {
        if (tag.is_string()) found.push_back(tag.get<std::string>());
    }
    return found;
}

std::filesystem::path duplicateSession(const std::filesystem::path& session) {
    constexpr const char* kDoing = "The session cannot be copied";
    const std::filesystem::path wanted =
        session.parent_path() / (session.stem().string() + "-copy" + session.extension().string());
    const PartFile part(wanted);
    copySession(session, part.path(), kDoing);
    const std::string title = SessionReader(part.path()).metadata("title");
    renameSession(part.path(), (title.empty() ? session.stem().string() : title) + " (copy)");
    return moveToFreeName(part.path(), wanted, kDoing);
}

std::filesystem::path importSession(const std::filesystem::path& from, const std::filesystem::path& directory) {
    constexpr const char* kDoing = "The session cannot be taken in";
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure) cannot("The directory cannot be created", directory, failure);
    if (std::filesystem::equivalent(from.parent_path(), directory, failure))
        throw Error({.what = "This session is in the session folder already", .where = from.string()});
    const PartFile part(directory / from.filename());
    copySession(from, part.path(), kDoing);
    return moveToFreeName(part.path(), directory / from.filename(), kDoing);
}

std::int64_t compactSession(const std::filesystem::path& session) {
    constexpr const char* kDoing = "The session cannot be made smaller";
    std::error_code failure;
    std::filesystem::path file = std::filesystem::canonical(session, failure);  // a link goes on naming it
    if (failure) file = session;
    foldLog(file, kDoing);
    const std::int64_t before = sessionBytes(file);
    const PartFile part(file);
    std::int64_t saved = 0;
    onSession(file, SQLite::OPEN_READWRITE, kDoing, [&](SQLite::Database& database) {
        // The lock is held until the new file is in the old one's place: nothing is written in between.
        database.exec("PRAGMA locking_mode = EXCLUSIVE");
        database.exec("BEGIN EXCLUSIVE");
        database.exec("COMMIT");
        requireStillThere(database);
        requireSound(database, file, kDoing);
        SQLite::Statement vacuum(database, "VACUUM INTO ?");
        vacuum.bind(1, part.path().string());
        vacuum.exec();
        saved = before - sessionBytes(part.path());
        if (saved > 0) replaceFile(part.path(), file, kDoing);
    });
    return std::max<std::int64_t>(saved, 0);
}

TrashedSession trashSession(const std::filesystem::path& session) {
    constexpr const char* kDoing = "The session cannot be deleted";
    foldLog(session, kDoing);
    std::error_code failure;
    const std::filesystem::path trash = session.parent_path() / kTrash;
    std::filesystem::create_directories(trash, failure);
    if (failure) cannot(kDoing, trash, failure);
    return {.original = session, .trashed = moveToFreeName(session, trash / session.filename(), kDoing)};
}

std::filesystem::path restoreSession(const TrashedSession& session) {
    return moveToFreeName(session.trashed, session.original, "The session cannot be brought back");
}

SessionTrash sessionTrash(const std::filesystem::path& directory) {
    SessionTrash trash;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(directory / kTrash, failure), end; !failure && entry != end;
         entry.increment(failure)) {
        if (entry->path().extension() != ".mixo") continue;
        ++trash.sessions;
        trash.bytes += sessionBytes(entry->path());
    }
    return trash;
}

void emptySessionTrash(const std::filesystem::path& directory) {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry(directory / kTrash, ignored), end; !ignored && entry != end;
         entry.increment(ignored)) {
        std::error_code failure;
        if (entry->path().extension() == ".mixo") std::filesystem::remove(entry->path(), failure);
    }
    std::filesystem::remove(directory / kTrash, ignored);  // stays if somebody keeps something else in it
}

SessionThumbnail thumbnailOf(const std::filesystem::path& session, std::int64_t most_rows) {
    const SessionReader reader(session);
    const TraceShape shape = reader.model().shape;
    SessionThumbnail picture;
    picture.layers = shape.moe_layers;
    picture.experts = shape.experts;
    const auto experts = static_cast<std::size_t>(shape.experts);
    picture.shares.assign(static_cast<std::size_t>(shape.moe_layers) * experts, 0.0F);
    const auto slots = static_cast<std::size_t>(shape.slots);
    reader.replay(
        0, most_rows,
        [&](const StepTrace& trace) {
            ++picture.rows;
            for (std::size_t cell = 0; cell < trace.expert_ids.size(); ++cell) {
                const std::int16_t expert = trace.expert_ids[cell];
                if (expert < 0 || expert >= shape.experts) continue;
                ++picture.shares[cell / slots * experts + static_cast<std::size_t>(expert)];
            }
        },
        [](const LaneEvent&) {});
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(shape.moe_layers); ++layer) {
        const auto first = picture.shares.begin() + static_cast<std::ptrdiff_t>(layer * experts);
        float all = 0.0F;
        for (std::size_t expert = 0; expert < experts; ++expert) all += first[static_cast<std::ptrdiff_t>(expert)];
        for (std::size_t expert = 0; all > 0.0F && expert < experts; ++expert)
            first[static_cast<std::ptrdiff_t>(expert)] /= all;
    }
    return picture;
}

}  // namespace mixoscope
