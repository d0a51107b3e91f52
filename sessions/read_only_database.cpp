#include "sessions/read_only_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr int kBusyTimeoutMs = 1000;

/// What the file system alone can say. The file is not opened for it: closing it again would end the locks that a
/// recorder of this process holds on it, as POSIX locks belong to the process and not to the descriptor, and another
/// program could then take its log away.
void checkFile(const std::filesystem::path& path) {
    std::error_code failure;
    if (std::filesystem::is_directory(path, failure))
        throw Error({.what = "This is a directory, not a session",
                     .where = path.string(),
                     .expected = {},
                     .found = {},
                     .advice = {}});
    if (::access(path.c_str(), R_OK) != 0)
        throw Error({.what = "The session cannot be opened",
                     .where = path.string(),
                     .expected = "a readable file",
                     .found = std::filesystem::exists(path, failure) ? "no permission" : "no such file",
                     .advice = {}});
    // SQLite takes an empty file for an empty database.
    if (std::filesystem::file_size(path, failure) == 0 && !failure)
        throw Error({.what = "This file is not a session of Mixoscope",
                     .where = path.string(),
                     .expected = "a SQLite database",
                     .found = "an empty file",
                     .advice = {}});
}

bool hasBeside(const std::filesystem::path& path, const char* ending) {
    std::error_code failure;
    return std::filesystem::file_size(path.string() + ending, failure) > 0 && !failure;
}

bool isWritable(const std::filesystem::path& folder) {
    return ::faccessat(AT_FDCWD, folder.empty() ? "." : folder.c_str(), W_OK, AT_EACCESS) == 0;
}

}  // namespace

SQLite::Database openReadOnly(const std::filesystem::path& path) {
    checkFile(path);
    const bool has_journal = hasBeside(path, "-journal");
    if (has_journal)
        SQLite::Database(path.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs).execAndGet("PRAGMA user_version");
    std::string uri = "file:";
    for (const char character : std::filesystem::absolute(path).string()) {
        if (character == '%' || character == '?' || character == '#') {
            constexpr char kHex[] = "0123456789ABCDEF";
            uri += '%';
            uri += kHex[static_cast<unsigned char>(character) >> 4U];
            uri += kHex[static_cast<unsigned char>(character) & 15U];
        } else {
            uri += character;
        }
    }
    const bool has_log = hasBeside(path, "-wal");
    const bool alone = has_log && !hasBeside(path, "-shm") && !isWritable(path.parent_path());
    if (!has_journal && !has_log) uri += "?immutable=1";
    if (alone) uri += "?vfs=unix-none";
    SQLite::Database database(uri, SQLite::OPEN_READONLY | SQLite::OPEN_URI, kBusyTimeoutMs);
    if (alone) database.exec("PRAGMA locking_mode = EXCLUSIVE");
    return database;
}

}  // namespace mixoscope
