#include "sessions/npy_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMostDimensions = 8;

[[noreturn]] void fail(const std::string& where, std::string what, std::string expected, std::string found) {
    throw Error({.what = std::move(what), .where = where, .expected = std::move(expected), .found = std::move(found)});
}

std::string quoted(std::string_view text) {
    constexpr std::size_t kLongest = 40;
    return '"' + std::string(text.substr(0, kLongest)) + (text.size() > kLongest ? "…\"" : "\"");
}

/// The header: a Python dictionary of three entries with constant values, in any order.
class Header {
public:
    Header(std::string_view text, const std::string& where) : m_text(text), m_where(where) {}

    std::string_view type() const {
        const std::string_view rest = valueOf("descr");
        const std::size_t end = rest.empty() ? std::string_view::npos : rest.find(rest.front(), 1);
        if (rest.empty() || (rest.front() != '\'' && rest.front() != '"') || end == std::string_view::npos)
            fail(m_where, "The .npy header names no plain type", "'descr': '<i2' or the like", quoted(rest));
        return rest.substr(1, end - 1);
    }

    bool fortranOrder() const { return !valueOf("fortran_order").starts_with("False"); }

    std::vector<std::int64_t> shape() const {
        std::string_view rest = valueOf("shape");
        const std::size_t end = rest.find(')');
        std::vector<std::int64_t> shape;
        if (!rest.starts_with('(') || end == std::string_view::npos) failShape(rest);
        rest = rest.substr(1, end - 1);
        while (true) {
            rest = withoutSpaces(rest);
            if (rest.empty()) return shape;
            std::int64_t length = 0;
            const auto [after, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
            if (error != std::errc{} || length < 0 || shape.size() == kMostDimensions) failShape(rest);
            shape.push_back(length);
            rest = withoutSpaces(rest.substr(static_cast<std::size_t>(after - rest.data())));
            if (!rest.empty() && rest.front() != ',') failShape(rest);
            if (!rest.empty()) rest.remove_prefix(1);
        }
    }

private:
    static std::string_view withoutSpaces(std::string_view text) {
        return text.substr(std::min(text.find_first_not_of(' '), text.size()));
    }

    [[noreturn]] void failShape(std::string_view found) const {
        fail(m_where, "The .npy header names no shape", "a tuple of up to 8 whole numbers", quoted(found));
    }

    std::string_view valueOf(std::string_view key) const {
        for (const char quote : {'\'', '"'}) {
            const std::size_t at = m_text.find(quote + std::string(key) + quote);
            if (at == std::string_view::npos) continue;
            const std::string_view rest = withoutSpaces(m_text.substr(at + key.size() + 2));
            if (rest.starts_with(':')) return withoutSpaces(rest.substr(1));
        }
        fail(m_where, "The .npy header lacks an entry", "'" + std::string(key) + "'", quoted(m_text));
    }

    std::string_view m_text;
    const std::string& m_where;
};

/// Values of type T, each within 32 bits.
template <typename T>
void copyValues(std::span<const std::byte> data, std::vector<std::int32_t>& values, const std::string& where) {
    for (std::size_t at = 0; at < values.size(); ++at) {
        T value = 0;
        std::memcpy(&value, data.data() + at * sizeof(T), sizeof(T));
        if (!std::in_range<std::int32_t>(value))
            fail(where, "A value is out of range",
                 "at most " + std::to_string(std::numeric_limits<std::int32_t>::max()), std::to_string(value));
        values[at] = static_cast<std::int32_t>(value);
    }
}

struct ElementType {
    std::string_view name;
    std::size_t bytes;
    void (*copy)(std::span<const std::byte>, std::vector<std::int32_t>&, const std::string&);
};

constexpr ElementType kTypes[] = {{"|u1", 1, copyValues<std::uint8_t>},  {"|i1", 1, copyValues<std::int8_t>},
                                  {"<u2", 2, copyValues<std::uint16_t>}, {"<i2", 2, copyValues<std::int16_t>},
                                  {"<u4", 4, copyValues<std::uint32_t>}, {"<i4", 4, copyValues<std::int32_t>},
                                  {"<u8", 8, copyValues<std::uint64_t>}, {"<i8", 8, copyValues<std::int64_t>}};

const ElementType& elementType(std::string_view name, const std::string& where) {
    for (const ElementType& type : kTypes) {
        if (type.name == name) return type;
    }
    fail(where, "The array has a type that expert ids cannot have", "|u1, |i1, <u2, <i2, <u4, <i4, <u8 or <i8",
         quoted(name));
}

/// The product, or none where it is beyond `most`.
std::optional<std::size_t> countOf(const std::vector<std::int64_t>& shape, std::size_t most) {
    std::size_t count = 1;
    for (const std::int64_t length : shape) {
        const auto factor = static_cast<std::size_t>(length);
        if (factor > 0 && count > most / factor) return std::nullopt;
        count *= factor;
    }
    return count;
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t length : shape) text += (text.empty() ? "" : " × ") + std::to_string(length);
    return text.empty() ? "one" : text;
}

}  // namespace

IntegerArray readNpy(std::span<const std::byte> bytes, const std::string& where) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t version = text.size() > kMagic.size() ? static_cast<unsigned char>(text[kMagic.size()]) : 0;
    if (!text.starts_with(kMagic) || version < 1 || version > 3)
        fail(where, "This is no NumPy array", ".npy of version 1, 2 or 3",
             std::to_string(text.size()) + " other bytes");
    const std::size_t length_bytes = version == 1 ? 2 : 4;
    const std::size_t head = kMagic.size() + 2 + length_bytes;
    std::size_t header_length = 0;
    if (text.size() >= head) std::memcpy(&header_length, text.data() + kMagic.size() + 2, length_bytes);
    if (text.size() < head || header_length > text.size() - head)
        fail(where, "The .npy header is cut short", std::to_string(head + header_length) + " bytes",
             std::to_string(text.size()));

    const Header header(text.substr(head, header_length), where);
    const ElementType& type = elementType(header.type(), where);
    if (header.fortranOrder()) fail(where, "The array lies in Fortran order", "'fortran_order': False", "True");
    IntegerArray array{.shape = header.shape(), .values = {}};
    const std::span<const std::byte> data = bytes.subspan(head + header_length);
    const std::optional<std::size_t> count = countOf(array.shape, data.size() / type.bytes);
    if (!count || *count * type.bytes != data.size())
        fail(where, "The array has other bytes than its shape needs",
             shapeText(array.shape) + " values of " + std::to_string(type.bytes) +
                 (type.bytes == 1 ? " byte" : " bytes"),
             std::to_string(data.size()) + " bytes");
    array.values.resize(*count);
    type.copy(data, array.values, where);
    return array;
}

}  // namespace mixoscope
