// A new .mixo file, whole from the first moment at which it has its name.
#pragma once

#include <SQLiteCpp/Database.h>

#include <filesystem>
#include <functional>

namespace mixoscope {

/// Creates the file, and its directory, with today's tables and what `fill` writes into them, ready for a writer in WAL
/// mode. A process that dies on the way leaves no file, or a whole one. Throws Error: the
/// name is taken, the directory cannot be written, the disk is full.
void createSessionFile(const std::filesystem::path& path, const std::function<void(SQLite::Database&)>& fill);

}  // namespace mixoscope
