// A new .mixo file, whole from the first moment at which it has its name.
#pragma once

#include <SQLiteCpp/Database.h>

#include <cstddef>
#include <filesystem>
#include <functional>

#include "sessions/page_size.h"

namespace mixoscope {

/// Creates the file, and its directory, with today's tables and what `fill` writes into them, ready for a writer in WAL
/// mode. A process that dies on the way leaves no file, or a whole one. `page_bytes`: see pageBytesFor(). Throws Error:
/// the name is taken, the directory cannot be written, the disk is full.
void createSessionFile(const std::filesystem::path& path, const std::function<void(SQLite::Database&)>& fill,
                       std::size_t page_bytes = kSmallestPageBytes);

}  // namespace mixoscope
