#include "sessions/event_file.h"

#include <bit>
#include <span>
#include <string>

#include "sessions/crc32.h"

namespace mixoscope {

namespace {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// Fields of tensorflow/core/util/event.proto and framework/summary.proto.
constexpr int kEventWallTime = 1;
constexpr int kEventStep = 2;
constexpr int kEventFileVersion = 3;
constexpr int kEventSummary = 5;
constexpr int kSummaryValue = 1;
constexpr int kValueTag = 1;
constexpr int kValueSimpleValue = 2;

/// Little-endian, whatever the processor.
template <typename Number>
std::string littleEndian(Number number) {
    std::string bytes;
    for (std::size_t byte = 0; byte < sizeof(number); ++byte)
        bytes += static_cast<char>(static_cast<unsigned char>(number >> (8U * byte)));
    return bytes;
}

std::string varint(std::uint64_t number) {
    std::string bytes;
    for (; number >= 0x80U; number >>= 7U) bytes += static_cast<char>(static_cast<unsigned char>(number | 0x80U));
    return bytes + static_cast<char>(static_cast<unsigned char>(number));
}

std::string key(int field, WireType type) {
    return varint((static_cast<std::uint64_t>(field) << 3U) | static_cast<std::uint64_t>(type));
}

std::string lengthDelimited(int field, std::string_view content) {
    return key(field, WireType::kLength) + varint(content.size()) + std::string(content);
}

std::string eventHead(double time_s) {
    return key(kEventWallTime, WireType::kFixed64) + littleEndian(std::bit_cast<std::uint64_t>(time_s));
}

/// A checksum that may itself be checksummed.
std::string maskedCrc(std::string_view bytes) {
    const std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes)));
    return littleEndian(((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U);
}

}  // namespace

EventFile::EventFile(const std::filesystem::path& path, const std::filesystem::path& source, double time_s)
    : m_file(path, source) {
    write(eventHead(time_s) + lengthDelimited(kEventFileVersion, "brain.Event:2"));
}

void EventFile::scalar(double time_s, std::int64_t step, std::string_view tag, float value) {
    const std::string content = lengthDelimited(kValueTag, tag) + key(kValueSimpleValue, WireType::kFixed32) +
                                littleEndian(std::bit_cast<std::uint32_t>(value));
    write(eventHead(time_s) + key(kEventStep, WireType::kVarint) + varint(static_cast<std::uint64_t>(step)) +
          lengthDelimited(kEventSummary, lengthDelimited(kSummaryValue, content)));
}

void EventFile::write(std::string_view event) {
    const std::string length = littleEndian(static_cast<std::uint64_t>(event.size()));
    m_file.stream() << length << maskedCrc(length) << event << maskedCrc(event);
}

}  // namespace mixoscope
