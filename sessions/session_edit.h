// Changes to a session file that is complete, or that somebody is recording right now: small, at once, all or nothing.
#pragma once

#include <SQLiteCpp/Database.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace mixoscope {

/// Runs `action` on the database of a session, opened with these SQLite::OPEN_* flags; what SQLite throws becomes an
/// Error that begins with `doing`: "The session cannot be changed". What is no session is refused. While the file is
/// locked it is opened, and `action` begun, again and again for two seconds.
void onSession(const std::filesystem::path& session, int flags, std::string_view doing,
               const std::function<void(SQLite::Database&)>& action);

/// Runs `action` in one transaction: nobody else changes the file meanwhile. Runs it again on the file that somebody
/// who compacts has put in the place of this one.
void editSession(const std::filesystem::path& session, const std::function<void(SQLite::Database&)>& action);

/// A value of the table `session`; empty where there is none.
std::string metadataOf(SQLite::Database& database, const std::string& key);
void setMetadata(SQLite::Database& database, const std::string& key, const std::string& value);

}  // namespace mixoscope
