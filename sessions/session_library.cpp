#include "sessions/session_library.h"

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "sessions/schema.h"
#include "sessions/session_file.h"
#include "sessions/session_list.h"

namespace mixoscope {

namespace {

constexpr int kBusyTimeoutMs = 2000;
constexpr const char* kTrash = ".trash";
constexpr const char* kLog = "-wal";

/// Runs `action` on the database of a session; what SQLite throws becomes an Error.
template <typename Action>
auto onDatabase(const std::filesystem::path& session, int flags, std::string_view doing, Action&& action) {
    SessionReader{session};  // says precisely what is wrong with a file that is none
    try {
        SQLite::Database database(session.string(), flags, kBusyTimeoutMs);
        return action(database);
    } catch (const SQLite::Exception& exception) {
        throw sessionError(exception, session, doing);
    }
}

void setMetadata(SQLite::Database& database, const std::string& key, const std::string& value) {
    SQLite::Statement insert(database, "INSERT OR REPLACE INTO session (key, value) VALUES (?, ?)");
    insert.bind(1, key);
    insert.bind(2, value);
    insert.exec();
}

void changeMetadata(const std::filesystem::path& session, const std::string& key, const std::string& value) {
    onDatabase(session, SQLite::OPEN_READWRITE, "The session cannot be changed", [&](SQLite::Database& database) {
        SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
        setMetadata(database, key, value);
        transaction.commit();
    });
}

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// The path itself, or with a number where that name is taken.
std::filesystem::path freePath(const std::filesystem::path& wanted) {
    std::filesystem::path path = wanted;
    for (int number = 2; std::filesystem::exists(path); ++number)
        path = wanted.parent_path() /
               (wanted.stem().string() + "-" + std::to_string(number) + wanted.extension().string());
    return path;
}

/// Copies as the database is at one moment, its log included; what was begun is removed when that fails.
void copySession(const std::filesystem::path& from, const std::filesystem::path& to, std::string_view doing) {
    try {
        onDatabase(from, SQLite::OPEN_READONLY, doing, [&](SQLite::Database& source) {
            SQLite::Database copy(to.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyTimeoutMs);
            SQLite::Backup(copy, source).executeStep(-1);
            // A copy stands alone: no log beside it.
            copy.exec("PRAGMA journal_mode = DELETE");
        });
    } catch (...) {
        std::error_code ignored;
        std::filesystem::remove(to, ignored);
        throw;
    }
}

[[noreturn]] void cannot(const std::string& what, const std::filesystem::path& path, const std::error_code& why) {
    throw Error({.what = what, .where = path.string(), .found = why.message()});
}

void moveFile(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& what) {
    std::error_code failure;
    std::filesystem::rename(from, to, failure);
    if (failure) cannot(what, from, failure);
}

}  // namespace

void renameSession(const std::filesystem::path& session, const std::string& title) {
    const std::string name = trimmed(title);
    if (name.empty()) throw Error({.what = "A session needs a name", .where = session.string(), .expected = "a text"});
    changeMetadata(session, "title", name);
}

void setSessionTags(const std::filesystem::path& session, const std::vector<std::string>& tags) {
    std::vector<std::string> kept;
    for (const std::string& tag : tags) {
        const std::string name = trimmed(tag);
        if (!name.empty() && std::ranges::find(kept, name) == kept.end()) kept.push_back(name);
    }
    changeMetadata(session, "tags",
                   nlohmann::json(kept).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::vector<std::string> sessionTags(const std::filesystem::path& session) {
    const auto tags = nlohmann::json::parse(SessionReader(session).metadata("tags"), nullptr, false);
    std::vector<std::string> found;
    if (!tags.is_array()) return found;
    for (const auto& tag : tags) {
        if (tag.is_string()) found.push_back(tag.get<std::string>());
    }
    return found;
}

std::filesystem::path duplicateSession(const std::filesystem::path& session) {
    const std::filesystem::path copy =
        freePath(session.parent_path() / (session.stem().string() + "-copy" + session.extension().string()));
    copySession(session, copy, "The session cannot be copied");
    renameSession(copy, SessionReader(session).metadata("title") + " (copy)");
    return copy;
}

std::filesystem::path importSession(const std::filesystem::path& from, const std::filesystem::path& directory) {
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure) cannot("The directory cannot be created", directory, failure);
    const std::filesystem::path copy = freePath(directory / from.filename());
    copySession(from, copy, "The session cannot be taken in");
    return copy;
}

std::int64_t compactSession(const std::filesystem::path& session) {
    const std::int64_t before = sessionBytes(session);
    onDatabase(session, SQLite::OPEN_READWRITE, "The session cannot be made smaller",
               [](SQLite::Database& database) { database.exec("VACUUM"); });
    return before - sessionBytes(session);
}

TrashedSession trashSession(const std::filesystem::path& session) {
    std::error_code failure;
    if (std::filesystem::exists(session.string() + kLog, failure))
        throw Error({.what = "The session is open: it is being recorded, or a program left it unfinished",
                     .where = session.string(),
                     .expected = "a session without a log beside it",
                     .found = session.filename().string() + kLog,
                     .advice = "Begin a new conversation, then delete it"});
    const std::filesystem::path trash = session.parent_path() / kTrash;
    std::filesystem::create_directories(trash, failure);
    if (failure) cannot("The session cannot be deleted", trash, failure);
    const TrashedSession moved{.original = session, .trashed = freePath(trash / session.filename())};
    moveFile(moved.original, moved.trashed, "The session cannot be deleted");
    return moved;
}

std::filesystem::path restoreSession(const TrashedSession& session) {
    const std::filesystem::path place = freePath(session.original);
    moveFile(session.trashed, place, "The session cannot be brought back");
    return place;
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
