#include "sessions/read_only_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

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

bool isWritable(const std::filesystem::path& folder) {
    return ::faccessat(AT_FDCWD, folder.empty() ? "." : folder.c_str(), W_OK, AT_EACCESS) == 0;
}

/// Does not wait: who has the file locked is alive and has nothing to be taken back. Whoever reads the file afterwards
/// says what is wrong with it, if anything is.
void takeBackWhatWasBegun(const std::filesystem::path& path) {
    try {
        SQLite::Database(path.string(), SQLite::OPEN_READWRITE).execAndGet("PRAGMA user_version");
    } catch (const SQLite::Exception&) {
    }
}

}  // namespace

std::uintmax_t fileBytes(const std::filesystem::path& path) {
    std::error_code failure;
    const std::uintmax_t bytes = std::filesystem::file_size(path, failure);
    return failure ? 0 : bytes;
}

bool hasBeside(const std::filesystem::path& path, const char* ending) {
    return fileBytes(path.string() + ending) > 0;
}

ReadOnlyDatabase openReadOnly(const std::filesystem::path& path) {
    checkFile(path);
    const std::optional<FileIdentity> file = identityOf(path);
    const std::uintmax_t bytes = fileBytes(path);
    const bool has_journal = hasBeside(path, "-journal");
    if (has_journal) takeBackWhatWasBegun(path);
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
    const bool as_it_is = !has_journal && !has_log;
    if (as_it_is) uri += "?immutable=1";
    if (alone) uri += "?vfs=unix-none";
    SQLite::Database database(uri, SQLite::OPEN_READONLY | SQLite::OPEN_URI, kBusyTimeoutMs);
    if (alone) database.exec("PRAGMA locking_mode = EXCLUSIVE");
    return {file, bytes, std::move(database), as_it_is};
}

}  // namespace mixoscope
