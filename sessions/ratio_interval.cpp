#include "sessions/ratio_interval.h"

#include <array>
#include <cmath>
#include <limits>

namespace mixoscope {

double studentQuantile(std::int64_t degrees) {
    constexpr std::array<double, 4> kFew = {12.70620, 4.30265, 3.18245, 2.77645};
    if (degrees <= static_cast<std::int64_t>(kFew.size())) return kFew[static_cast<std::size_t>(degrees - 1)];
    // Cornish and Fisher's expansion about the normal quantile (Abramowitz and Stegun, 26.7.5).
    constexpr double z = 1.959963985;
    constexpr double z2 = z * z;
    constexpr double g1 = z * (z2 + 1.0) / 4.0;
    constexpr double g2 = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
    constexpr double g3 = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
    constexpr double g4 = z * ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0) / 92160.0;
    const double v = 1.0 / static_cast<double>(degrees);
    return z + v * (g1 + v * (g2 + v * (g3 + v * g4)));
}

MeanWithInterval ratioWithInterval(std::span<const WeightedSum> units) {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    double value = 0.0;
    double weight = 0.0;
    for (const WeightedSum& unit : units) {
        value += unit.value;
        weight += unit.weight;
    }
    if (units.empty()) return {.mean = kNaN, .low = kNaN, .high = kNaN};
    const double ratio = value / weight;
    if (units.size() < 2) return {.mean = ratio, .low = kNaN, .high = kNaN};
    double squares = 0.0;
    for (const WeightedSum& unit : units) {
        const double residual = unit.value - ratio * unit.weight;
        squares += residual * residual;
    }
    const auto count = static_cast<double>(units.size());
    const double reach = studentQuantile(std::ssize(units) - 1) * std::sqrt(count / (count - 1.0) * squares) / weight;
    return {.mean = ratio, .low = ratio - reach, .high = ratio + reach};
}

}  // namespace mixoscope
