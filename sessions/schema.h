// The .mixo file's tables and the steps that bring a file from one version to the next. A new file takes the same
// steps.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>

#include <filesystem>
#include <string_view>

#include "engine/error.h"

namespace mixoscope {

constexpr int kSessionApplicationId = 0x4D49584F;  // "MIXO"
constexpr int kSessionVersion = 4;                 // PRAGMA user_version

/// Runs the steps from the file's version to kSessionVersion in one transaction.
void migrateSession(SQLite::Database& database);

/// Throws Error unless the file is a session of a version that this program reads.
void checkSessionVersion(SQLite::Database& database, const std::filesystem::path& path);

/// What SQLite reports, as a message for people. `doing`: "The session cannot be written".
Error sessionError(const SQLite::Exception& exception, const std::filesystem::path& path, std::string_view doing);

}  // namespace mixoscope
