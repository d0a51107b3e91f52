#include "sessions/session_edit.h"

#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include "sessions/schema.h"
#include "sessions/session_file.h"

namespace mixoscope {

namespace {

constexpr int kBusyTimeoutMs = 2000;

}  // namespace

void onSession(const std::filesystem::path& session, int flags, std::string_view doing,
               const std::function<void(SQLite::Database&)>& action) {
    SessionReader{session};  // says precisely what is wrong with a file that is none
    try {
        SQLite::Database database(session.string(), flags, kBusyTimeoutMs);
        action(database);
    } catch (const SQLite::Exception& exception) {
        throw sessionError(exception, session, doing);
    }
}

void editSession(const std::filesystem::path& session, const std::function<void(SQLite::Database&)>& action) {
    onSession(session, SQLite::OPEN_READWRITE, "The session cannot be changed", [&](SQLite::Database& database) {
        SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
        action(database);
        transaction.commit();
    });
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
