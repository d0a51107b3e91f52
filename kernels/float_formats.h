// Conversions between f32 and the 16-bit formats of checkpoints, exact in both directions (round to nearest even).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/types.h"

namespace mixoscope::kernels {

inline float floatFromBF16(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t bf16FromFloat(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);  // NaN stays NaN
    return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

inline float floatFromF16(std::uint16_t bits) {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1FU;
    const std::uint32_t mantissa = bits & 0x3FFU;
    if (exponent == 0x1FU) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;  // zero and subnormals
    return sign != 0 ? -magnitude : magnitude;
}

inline std::uint16_t f16FromFloat(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);
    if (magnitude >= 0x477FF000U)
        return static_cast<std::uint16_t>(sign | 0x7C00U);  // 65520 and above round to infinity
    if (magnitude < 0x38800000U) {  // below 2^-14: adding 0.5 leaves the subnormal's bits, rounded, in the low mantissa
        const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
    }
    const std::uint32_t rounded = magnitude + 0xFFFU + ((magnitude >> 13) & 1U);
    return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

/// One element of a contiguous array of the given type; unaligned data is fine.
inline float loadElement(const void* data, DataType type, std::int64_t index) {
    const auto* bytes = static_cast<const std::byte*>(data);
    if (type == DataType::kF32) {
        float value;
        std::memcpy(&value, bytes + index * 4, sizeof value);
        return value;
    }
    std::uint16_t bits;
    std::memcpy(&bits, bytes + index * 2, sizeof bits);
    return type == DataType::kBF16 ? floatFromBF16(bits) : floatFromF16(bits);
}

}  // namespace mixoscope::kernels
