#include "engine/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"

namespace mixoscope {

namespace {

[[noreturn]] void failWithErrno(std::string what, const std::filesystem::path& path) {
    throw Error({.what = std::move(what), .where = path.string(), .found = std::strerror(errno)});
}

/// A file descriptor that is closed unless it is handed on.
class Descriptor {
public:
    explicit Descriptor(int descriptor) : m_descriptor(descriptor) {}
    ~Descriptor() {
        if (m_descriptor >= 0) close(m_descriptor);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return m_descriptor; }
    int release() { return std::exchange(m_descriptor, -1); }

private:
    int m_descriptor;
};

/// Opens a regular file for reading and tells its size.
std::size_t openRegular(const std::filesystem::path& path, int descriptor) {
    if (descriptor < 0) failWithErrno("This file cannot be opened", path);
    struct stat status {};
    if (fstat(descriptor, &status) != 0) failWithErrno("This file cannot be examined", path);
    if (!S_ISREG(status.st_mode)) throw Error({.what = "This is not a regular file", .where = path.string()});
    return static_cast<std::size_t>(status.st_size);
}

// O_NONBLOCK: opening a named pipe must not wait for a writer.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

}  // namespace

std::shared_ptr<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    Descriptor descriptor(::open(path.c_str(), kOpenFlags));
    const std::size_t size = openRegular(path, descriptor.get());
    void* data = nullptr;
    if (size > 0) {
        data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
        if (data == MAP_FAILED) failWithErrno("This file cannot be mapped into memory", path);
    }
    return std::shared_ptr<MappedFile>(new MappedFile(path, descriptor.release(), data, size));
}

MappedFile::~MappedFile() {
    if (m_data != nullptr) munmap(m_data, m_size);
    close(m_descriptor);
}

bool MappedFile::wasCutShort() const {
    struct stat status {};
    return fstat(m_descriptor, &status) == 0 && static_cast<std::size_t>(status.st_size) < m_size;
}

std::vector<std::byte> readSmallFile(const std::filesystem::path& path, std::size_t limit) {
    const Descriptor descriptor(::open(path.c_str(), kOpenFlags));
    const std::size_t size = openRegular(path, descriptor.get());
    if (size > limit) {
        throw Error({.what = "This file is too large",
                     .where = path.string(),
                     .expected = "at most " + std::to_string(limit) + " bytes",
                     .found = std::to_string(size)});
    }
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = read(descriptor.get(), bytes.data() + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) failWithErrno("This file cannot be read", path);
        if (count == 0) break;  // it became shorter since
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

}  // namespace mixoscope
