// How many faults, and which: the same seed gives the same ones.
#pragma once

#include <cstdint>

namespace mixoscope::test {

struct FaultOptions {
    std::uint32_t kills = 100;
    std::uint32_t corruptions = 400;
    std::uint32_t seed = 12;
};

FaultOptions& faultOptions();

}  // namespace mixoscope::test
