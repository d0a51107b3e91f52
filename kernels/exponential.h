// e^x in plain arithmetic, so that every back end and device gets the same bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#ifdef __CUDACC__
#define MIXO_HOST_DEVICE __host__ __device__
#else
#define MIXO_HOST_DEVICE
#endif

namespace mixoscope::kernels {

/// e^x, computed in f64 and rounded once. NaN stays NaN. The bits are the same wherever the compiler does not contract
/// products and sums (-ffp-contract=off, nvcc's -fmad=false).
MIXO_HOST_DEVICE inline float exponential(float x) {
    if (x != x) return x;
    if (x > 89.0F) return std::numeric_limits<float>::infinity();
    if (x < -104.0F) return 0.0F;  // below half of the smallest subnormal number
    constexpr double kLog2E = 0x1.71547652b82fep0;
    constexpr double kLn2High = 0x1.62e42fefa3800p-1;  // few enough digits that whole multiples are exact
    constexpr double kLn2Low = 0x1.ef35793c76730p-45;
    const double whole = std::floor(static_cast<double>(x) * kLog2E + 0.5);
    const double rest = (static_cast<double>(x) - whole * kLn2High) - whole * kLn2Low;  // within ± ln 2 / 2
    // Taylor's series: the first term left out is below 2^-46 of the result.
    double sum = 1.0 / 39916800.0;
    sum = sum * rest + 1.0 / 3628800.0;
    sum = sum * rest + 1.0 / 362880.0;
    sum = sum * rest + 1.0 / 40320.0;
    sum = sum * rest + 1.0 / 5040.0;
    sum = sum * rest + 1.0 / 720.0;
    sum = sum * rest + 1.0 / 120.0;
    sum = sum * rest + 1.0 / 24.0;
    sum = sum * rest + 1.0 / 6.0;
    sum = sum * rest + 0.5;
    sum = sum * rest + 1.0;
    sum = sum * rest + 1.0;
    const std::uint64_t bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(whole) + 1023) << 52;
    double power = 0.0;
    std::memcpy(&power, &bits, sizeof power);
    return static_cast<float>(sum * power);
}

}  // namespace mixoscope::kernels
