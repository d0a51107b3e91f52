// The checksums of routing records and ZIP archives, and of TFRecords.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mixoscope {

/// CRC-32 of IEEE 802.3; `before`: that of the bytes before these.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);
/// CRC-32C (Castagnoli).
std::uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace mixoscope
