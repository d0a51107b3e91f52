// Opens a .mixo file to read it only, wherever it lies.
#pragma once

#include <SQLiteCpp/Database.h>

#include <filesystem>

namespace mixoscope {

/// A file whose writer closed it has no log beside it and is read as it is: nothing is written, not even beside it.
/// A journal is that of somebody who changes a title or a bookmark right now; what a program that was killed had begun
/// is taken back here, as whoever opens the file for writing would.
/// What was killed leaves a log, whose index SQLite would write beside it: in a folder that may not be written to,
/// where nobody can be writing, it is kept in memory. Throws Error when it is no file that can be read, and
/// SQLite::Exception.
SQLite::Database openReadOnly(const std::filesystem::path& path);

}  // namespace mixoscope
