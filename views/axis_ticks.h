// Round places for axis labels that never touch.
#pragma once

#include <cstdint>
#include <vector>

namespace mixoscope {

/// Whole numbers in [first, last], `pixels_per_unit` apart on screen, at least `spacing` pixels between two.
std::vector<std::int32_t> integerTicks(double first, double last, double pixels_per_unit, double spacing);
/// Ids 0 … count − 1 of things that come in powers of two (experts, layers): every 2ⁿ-th, and the last where it fits.
std::vector<std::int32_t> idTicks(std::int32_t count, double pixels_per_unit, double spacing);
/// An axis over values: its ends are multiples of the step.
struct ValueScale {
    double low = 0.0;
    double high = 1.0;
    double step = 0.25;
    int decimals = 2;
    std::vector<double> ticks() const;
};
/// Covers [low, high] with about `most_steps` round steps.
ValueScale niceScale(double low, double high, int most_steps);
/// Smallest of 1, 2, 5 × 10ⁿ that is at least `value`.
double roundUp125(double value);

}  // namespace mixoscope
