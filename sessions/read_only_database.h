// Opens a .mixo file to read it only, wherever it lies.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "sessions/file_identity.h"

namespace mixoscope {

/// 0: there is no such file.
std::uintmax_t fileBytes(const std::filesystem::path& path);

/// Whether there is a file with something in it whose name is that of `path` and `ending`: "-wal", "-journal", "-shm".
bool hasBeside(const std::filesystem::path& path, const char* ending);

struct ReadOnlyDatabase {
    std::optional<FileIdentity> file;
    std::uintmax_t bytes = 0;  // at most as many as SQLite takes it to have
    SQLite::Database database;
    bool as_it_is = false;  // without locks, as nobody was writing to it
};

/// A file whose writer closed it has no log beside it and is read as it is: nothing is written, not even beside it.
/// A journal is that of somebody who changes a title or a bookmark right now; what a program that was killed had begun
/// is taken back here, as whoever opens the file for writing would.
/// What was killed leaves a log, whose index SQLite would write beside it: in a folder that may not be written to,
/// where nobody can be writing, it is kept in memory. Throws Error when it is no file that can be read, and
/// SQLite::Exception.
ReadOnlyDatabase openReadOnly(const std::filesystem::path& path);

}  // namespace mixoscope
