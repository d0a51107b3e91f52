#include "sessions/new_session_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "engine/error.h"
#include "sessions/disk_sync.h"
#include "sessions/schema.h"

namespace mixoscope {

namespace {

/// Bytes of a database that lies in memory.
class DatabaseImage {
public:
    explicit DatabaseImage(SQLite::Database& database) {
        sqlite3_int64 size = 0;
        m_bytes.reset(sqlite3_serialize(database.getHandle(), "main", &size, 0));
        if (!m_bytes) throw SQLite::Exception("The tables do not fit into memory", SQLITE_NOMEM);
        m_size = static_cast<std::size_t>(size);
        // Read and write version of the header: whoever opens it uses a write-ahead log, and need not change the file
        // for it first.
        constexpr std::size_t kVersionsAt = 18;
        constexpr unsigned char kWal = 2;
        m_bytes.get()[kVersionsAt] = kWal;
        m_bytes.get()[kVersionsAt + 1] = kWal;
    }
    std::span<const unsigned char> bytes() const { return {m_bytes.get(), m_size}; }

private:
    struct Free {
        void operator()(unsigned char* bytes) const { sqlite3_free(bytes); }
    };
    std::unique_ptr<unsigned char, Free> m_bytes;
    std::size_t m_size = 0;
};

class Descriptor {
public:
    explicit Descriptor(int number) : m_number(number) {}
    ~Descriptor() {
        if (m_number >= 0) ::close(m_number);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int number() const { return m_number; }
    bool open() const { return m_number >= 0; }

private:
    int m_number;
};

[[noreturn]] void failCreating(const std::filesystem::path& path, int reason) {
    const bool full = reason == ENOSPC || reason == EDQUOT;
    throw Error(
        {.what = full ? "The session file cannot be created: the disk is full" : "The session file cannot be created",
         .where = path.string(),
         .expected = full ? "room on the disk" : "a writable directory and a new file name",
         .found = std::strerror(reason),
         .advice = {}});
}

/// 0, or why not all could be written and made to last.
int writeAll(const Descriptor& file, std::span<const unsigned char> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file.number(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return ::fdatasync(file.number()) == 0 ? 0 : errno;
}

/// Writes a file without a name and gives it its name at the end. False: this file system has none such.
bool createAtOnce(const std::filesystem::path& path, const std::filesystem::path& directory,
                  std::span<const unsigned char> bytes) {
    const Descriptor file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644));
    if (!file.open()) return false;
    if (const int reason = writeAll(file, bytes); reason != 0) failCreating(path, reason);
    const std::string nameless = "/proc/self/fd/" + std::to_string(file.number());
    if (::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
    if (errno == EEXIST) failCreating(path, EEXIST);
    return false;
}

void createByName(const std::filesystem::path& path, std::span<const unsigned char> bytes) {
    const Descriptor file(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644));
    if (!file.open()) failCreating(path, errno);
    if (const int reason = writeAll(file, bytes); reason != 0) {
        ::unlink(path.c_str());
        failCreating(path, reason);
    }
}

}  // namespace

void createSessionFile(const std::filesystem::path& path, const std::function<void(SQLite::Database&)>& fill,
                       std::size_t page_bytes) {
    SQLite::Database database(":memory:", SQLite::OPEN_READWRITE);
    database.exec("PRAGMA page_size = " + std::to_string(page_bytes));
    migrateSession(database);
    fill(database);
    const DatabaseImage image(database);
    const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (!createAtOnce(path, directory, image.bytes())) createByName(path, image.bytes());
    syncToDisk(directory);  // what is committed from now on would be lost with the name
}

}  // namespace mixoscope
