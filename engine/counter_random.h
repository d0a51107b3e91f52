// Random numbers as a function of (seed, position): Philox4x32-10 (Salmon et al., SC 2011). No state, so a draw cannot
// depend on other lanes or on how often something was drawn, and it is the same on every machine.
#pragma once

#include <array>
#include <cstdint>

namespace mixoscope {

using PhiloxBlock = std::array<std::uint32_t, 4>;

constexpr PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
    constexpr std::uint64_t kFirstMultiplier = 0xD2511F53;
    constexpr std::uint64_t kSecondMultiplier = 0xCD9E8D57;
    constexpr std::array<std::uint32_t, 2> kKeySteps = {0x9E3779B9, 0xBB67AE85};
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t first = kFirstMultiplier * counter[0];
        const std::uint64_t second = kSecondMultiplier * counter[2];
        counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(second),
                   static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(first)};
        key[0] += kKeySteps[0];
        key[1] += kKeySteps[1];
    }
    return counter;
}

/// Uniform in [0, 1), with 53 bits.
constexpr double uniformAt(std::uint64_t seed, std::uint64_t position) {
    const PhiloxBlock block =
        philox({static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32), 0, 0},
               {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    const std::uint64_t bits = (static_cast<std::uint64_t>(block[0]) << 32 | block[1]) >> 11;
    return static_cast<double>(bits) * 0x1.0p-53;
}

}  // namespace mixoscope
