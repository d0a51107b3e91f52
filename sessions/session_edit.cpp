#include "sessions/session_edit.h"

#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include <chrono>
#include <optional>
#include <thread>

#include "sessions/file_identity.h"
#include "sessions/schema.h"
#include "sessions/session_file.h"

namespace mixoscope {

namespace {

constexpr int kAttempts = 400;  // two seconds
constexpr std::chrono::milliseconds kPause{5};

bool isLocked(const SQLite::Exception& exception) {
    return exception.getErrorCode() == SQLITE_BUSY || exception.getErrorCode() == SQLITE_LOCKED;
}

}  // namespace

void onSession(const std::filesystem::path& session, int flags, std::string_view doing,
               const std::function<void(SQLite::Database&)>& action) {
    SessionReader{session};  // says precisely what is wrong with a file that is none
    for (int attempt = 1;; ++attempt) {
        try {
            // SQLite does not wait by itself. It would hold on to a file that another one may have taken the place of
            // when it gets its lock, and take the journal of that one for its own; nor does it ask often enough to find
            // the moment that a recorder leaves to others.
            SQLite::Database database(session.string(), flags);
            action(database);
            return;
        } catch (const SQLite::Exception& exception) {
            if (!isLocked(exception) || attempt == kAttempts) throw sessionError(exception, session, doing);
        }
        std::this_thread::sleep_for(kPause);
    }
}

void editSession(const std::filesystem::path& session, const std::function<void(SQLite::Database&)>& action) {
    for (;;) {
        const std::optional<FileIdentity> before = identityOf(session);
        try {
            onSession(session, SQLite::OPEN_READWRITE, "The session cannot be changed",
                      [&](SQLite::Database& database) {
                          SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
                          action(database);
                          transaction.commit();
                      });
            return;
        } catch (const Error&) {
            // SQLite refuses to change a file that another one has taken the place of: somebody has compacted it.
            if (!before || identityOf(session) == before) throw;
        }
    }
}

std::string metadataOf(SQLite::Database& database, const std::string& key) {
    SQLite::Statement select(database, "SELECT value FROM session WHERE key = ?");
    select.bind(1, key);
    return select.executeStep() ? select.getColumn(0).getString() : std::string();
}

void setMetadata(SQLite::Database& database, const std::string& key, const std::string& value) {
    SQLite::Statement insert(database, "INSERT OR REPLACE INTO session (key, value) VALUES (?, ?)");
    insert.bind(1, key);
    insert.bind(2, value);
    insert.exec();
}

}  // namespace mixoscope
