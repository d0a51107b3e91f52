// A .npz file: NumPy arrays in a ZIP archive, nothing compressed. Its arrays are filled side by side, a piece at a
// time, so that a session of any length takes no more memory than a short one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace mixoscope {

template <typename T>
struct NpyType;  // descr: what NumPy calls T
template <>
struct NpyType<bool> {
    static constexpr const char* descr = "|b1";
};
template <>
struct NpyType<std::uint8_t> {
    static constexpr const char* descr = "|u1";
};
template <>
struct NpyType<std::int16_t> {
    static constexpr const char* descr = "<i2";
};
template <>
struct NpyType<std::int32_t> {
    static constexpr const char* descr = "<i4";
};
template <>
struct NpyType<std::int64_t> {
    static constexpr const char* descr = "<i8";
};
template <>
struct NpyType<float> {
    static constexpr const char* descr = "<f4";
};

class NpzWriter {
public:
    /// A new file, in place of one that is there once it is complete. Throws Error, also when it is `source`, the file
    /// that the arrays are read from.
    NpzWriter(const std::filesystem::path& path, const std::filesystem::path& source);
    ~NpzWriter();
    NpzWriter(const NpzWriter&) = delete;
    NpzWriter& operator=(const NpzWriter&) = delete;

    /// Declares an array; all of them before the first append(). Returns its number.
    template <typename T>
    std::size_t add(const std::string& name, std::vector<std::int64_t> shape) {
        return add(name, NpyType<T>::descr, sizeof(T), std::move(shape));
    }
    /// The next values of the array, in C order.
    template <typename T>
    void append(std::size_t array, std::span<const T> values) {
        appendBytes(array, std::as_bytes(values));
    }
    template <typename T>
    void append(std::size_t array, T value) {
        append(array, std::span<const T>(&value, 1));
    }
    /// Writes what is buffered and the archive's directory. Throws Error when an array is not full or the file could
    /// not be written; then there is none.
    void close();

private:
    std::size_t add(const std::string& name, const char* descr, std::size_t value_bytes,
                    std::vector<std::int64_t> shape);
    void appendBytes(std::size_t array, std::span<const std::byte> bytes);

    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
