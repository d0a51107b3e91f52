// A file mapped read-only. The mapping keeps the file's contents when its name is deleted or its directory disappears.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace mixoscope {

class MappedFile {
public:
    /// Throws Error naming the file when it cannot be mapped.
    static std::shared_ptr<MappedFile> open(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::filesystem::path& path() const { return m_path; }
    std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(m_data), m_size}; }

    /// Whether the file has been cut short since it was mapped. Reading beyond its new end would raise SIGBUS, which no
    /// mapping can prevent; whoever is about to read much asks first.
    bool wasCutShort() const;

private:
    MappedFile(std::filesystem::path path, int descriptor, void* data, std::size_t size)
        : m_path(std::move(path)), m_descriptor(descriptor), m_data(data), m_size(size) {}
    std::filesystem::path m_path;
    int m_descriptor;
    void* m_data;  // null when the file is empty
    std::size_t m_size;
};

/// Reads a whole small file. Throws Error naming the file when it cannot be read or is larger than `limit` bytes.
std::vector<std::byte> readSmallFile(const std::filesystem::path& path, std::size_t limit);

}  // namespace mixoscope
