#include "sessions/npz_writer.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "sessions/crc32.h"
#include "sessions/output_file.h"

namespace mixoscope {

static_assert(std::endian::native == std::endian::little, "values are written as they are in memory");

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16U;
constexpr std::uint16_t kVersionOfSizes64 = 45;      // ZIP 4.5: sizes of 64 bits
constexpr std::uint32_t kIn64 = 0xFFFFFFFFU;         // stands where the size is in the extra field
constexpr std::uint16_t kDosDate = (1U << 5U) | 1U;  // 1980-01-01: the same arrays give the same file

/// Little-endian numbers one after another.
class Fields {
public:
    Fields& u16(std::uint64_t value) { return number(value, 2); }
    Fields& u32(std::uint64_t value) { return number(value, 4); }
    Fields& u64(std::uint64_t value) { return number(value, 8); }
    Fields& text(const std::string& value) {
        m_bytes += value;
        return *this;
    }
    const std::string& bytes() const { return m_bytes; }

private:
    Fields& number(std::uint64_t value, int bytes) {
        for (int i = 0; i < bytes; ++i)
            m_bytes += static_cast<char>((value >> (8U * static_cast<unsigned>(i))) & 0xFFU);
        return *this;
    }
    std::string m_bytes;
};

/// Version 1.0 of the format: magic, length, a Python dictionary padded so that the data begins at a multiple of 64.
std::string npyHeader(const char* descr, const std::vector<std::int64_t>& shape) {
    std::string dictionary = std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (";
    for (const std::int64_t size : shape) dictionary += std::to_string(size) + ",";
    dictionary += "), }";
    constexpr std::size_t kBefore = 10;
    dictionary.append(63 - (kBefore + dictionary.size()) % 64, ' ');
    dictionary += '\n';
    return Fields().text("\x93NUMPY").u16(1).u16(dictionary.size()).text(dictionary).bytes();
}

}  // namespace

struct NpzWriter::Impl {
    struct Array {
        std::string name;    // with .npy
        std::string header;  // of .npy
        std::uint64_t data_bytes = 0;
        std::uint64_t at = 0;  // of its local header in the file
        std::uint64_t written = 0;
        std::uint32_t crc = 0;
        std::vector<std::byte> buffer;

        std::uint64_t bytes() const { return header.size() + data_bytes; }
        std::uint64_t dataAt() const { return at + 30 + name.size() + 20 + header.size(); }
        /// Signature to name and extra field; the CRC is known at the end only.
        std::string localHeader() const {
            return Fields()
                .u32(0x04034B50)
                .u16(kVersionOfSizes64)
                .u16(0)
                .u16(0)  // stored
                .u16(0)
                .u16(kDosDate)
                .u32(crc)
                .u32(kIn64)
                .u32(kIn64)
                .u16(name.size())
                .u16(20)
                .text(name)
                .u16(1)
                .u16(16)
                .u64(bytes())
                .u64(bytes())
                .bytes();
        }
        std::string directoryEntry() const {
            return Fields()
                .u32(0x02014B50)
                .u16(kVersionOfSizes64)
                .u16(kVersionOfSizes64)
                .u16(0)
                .u16(0)
                .u16(0)
                .u16(kDosDate)
                .u32(crc)
                .u32(kIn64)
                .u32(kIn64)
                .u16(name.size())
                .u16(28)
                .u16(0)
                .u16(0)
                .u16(0)
                .u32(0)
                .u32(kIn64)
                .text(name)
                .u16(1)
                .u16(24)
                .u64(bytes())
                .u64(bytes())
                .u64(at)
                .bytes();
        }
    };

    OutputFile file;
    std::vector<Array> arrays;
    std::uint64_t end = 0;  // of the last array

    Impl(const std::filesystem::path& path, const std::filesystem::path& source) : file(path, source) {}

    void put(std::uint64_t place, std::span<const std::byte> bytes) {
        file.stream().seekp(static_cast<std::streamoff>(place));
        file.stream().write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    void put(std::uint64_t place, const std::string& bytes) { put(place, std::as_bytes(std::span(bytes))); }

    void flush(Array& array) {
        put(array.dataAt() + array.written, array.buffer);
        array.written += array.buffer.size();
        array.buffer.clear();
    }

    void writeDirectory() {
        std::string directory;
        for (const Array& array : arrays) directory += array.directoryEntry();
        const std::uint64_t end_record = end + directory.size();
        put(end, directory);
        put(end_record, Fields()
                            .u32(0x06064B50)
                            .u64(44)
                            .u16(kVersionOfSizes64)
                            .u16(kVersionOfSizes64)
                            .u32(0)
                            .u32(0)
                            .u64(arrays.size())
                            .u64(arrays.size())
                            .u64(directory.size())
                            .u64(end)
                            .u32(0x07064B50)  // where the record just written is
                            .u32(0)
                            .u64(end_record)
                            .u32(1)
                            .u32(0x06054B50)
                            .u16(0)
                            .u16(0)
                            .u16(arrays.size())
                            .u16(arrays.size())
                            .u32(std::min<std::uint64_t>(directory.size(), kIn64))
                            .u32(kIn64)
                            .u16(0)
                            .bytes());
    }
};

NpzWriter::NpzWriter(const std::filesystem::path& path, const std::filesystem::path& source)
    : m_impl(std::make_unique<Impl>(path, source)) {}
NpzWriter::~NpzWriter() = default;

std::size_t NpzWriter::add(const std::string& name, const char* descr, std::size_t value_bytes,
                           std::vector<std::int64_t> shape) {
    Impl::Array array;
    array.name = name + ".npy";
    array.header = npyHeader(descr, shape);
    array.data_bytes = std::accumulate(
        shape.begin(), shape.end(), std::uint64_t{value_bytes},
        [](std::uint64_t product, std::int64_t size) { return product * static_cast<std::uint64_t>(size); });
    array.at = m_impl->end;
    array.crc = crc32(std::as_bytes(std::span(array.header)));
    m_impl->end = array.dataAt() + array.data_bytes;
    m_impl->arrays.push_back(std::move(array));
    return m_impl->arrays.size() - 1;
}

void NpzWriter::appendBytes(std::size_t index, std::span<const std::byte> bytes) {
    Impl::Array& array = m_impl->arrays[index];
    array.crc = crc32(bytes, array.crc);
    array.buffer.insert(array.buffer.end(), bytes.begin(), bytes.end());
    if (array.buffer.size() >= kBufferBytes) m_impl->flush(array);
}

void NpzWriter::close() {
    for (Impl::Array& array : m_impl->arrays) {
        m_impl->flush(array);
        if (array.written != array.data_bytes)
            throw Error({.what = "An array was not filled as declared",
                         .where = m_impl->file.path().string() + ", " + array.name,
                         .expected = std::to_string(array.data_bytes) + " bytes",
                         .found = std::to_string(array.written)});
        m_impl->put(array.at, array.localHeader() + array.header);
    }
    m_impl->writeDirectory();
    m_impl->file.commit();
}

}  // namespace mixoscope
