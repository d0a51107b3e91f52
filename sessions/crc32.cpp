#include "sessions/crc32.h"

#include <array>

namespace mixoscope {

namespace {

using Table = std::array<std::uint32_t, 256>;

/// `polynomial` with its bits reversed.
constexpr Table makeTable(std::uint32_t polynomial) {
    Table table{};
    for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) value = (value & 1U) != 0 ? (value >> 1U) ^ polynomial : value >> 1U;
        table[byte] = value;
    }
    return table;
}
constexpr Table kIeee = makeTable(0xEDB88320U);
constexpr Table kCastagnoli = makeTable(0x82F63B78U);

std::uint32_t checksum(const Table& table, std::span<const std::byte> bytes, std::uint32_t before) {
    std::uint32_t crc = ~before;
    for (const std::byte byte : bytes) crc = (crc >> 8U) ^ table[(crc ^ static_cast<std::uint32_t>(byte)) & 0xFFU];
    return ~crc;
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
    return checksum(kIeee, bytes, before);
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
    return checksum(kCastagnoli, bytes, 0);
}

}  // namespace mixoscope
