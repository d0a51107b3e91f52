#include "views/axis_ticks.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {

double roundUp125(double value) {
    if (!(value > 0.0) || !std::isfinite(value)) return 1.0;
    const double power = std::pow(10.0, std::floor(std::log10(value)));
    for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
        if (factor * power >= value * (1.0 - 1e-9)) return factor * power;
    }
    return 10.0 * power;
}

std::vector<std::int32_t> integerTicks(double first, double last, double pixels_per_unit, double spacing) {
    std::vector<std::int32_t> ticks;
    if (!(pixels_per_unit > 0.0) || !(last >= first)) return ticks;
    const double step = roundUp125(std::max(1.0, spacing / pixels_per_unit));
    if (step > 1e9) return ticks;
    const auto whole = static_cast<std::int32_t>(std::lround(step));
    for (double tick = std::ceil(first / whole) * whole; tick <= last; tick += whole) {
        ticks.push_back(static_cast<std::int32_t>(std::lround(tick)));
    }
    return ticks;
}

std::vector<std::int32_t> idTicks(std::int32_t count, double pixels_per_unit, double spacing) {
    std::vector<std::int32_t> ticks;
    if (count <= 0 || !(pixels_per_unit > 0.0)) return ticks;
    std::int32_t step = 1;
    while (step * pixels_per_unit < spacing && step < count) step *= 2;
    for (std::int32_t id = 0; id < count; id += step) ticks.push_back(id);
    const std::int32_t last = count - 1;
    if (ticks.back() != last) {
        if ((last - ticks.back()) * pixels_per_unit < spacing * 0.8 && ticks.size() > 1) ticks.pop_back();
        ticks.push_back(last);
    }
    return ticks;
}

ValueScale niceScale(double low, double high, int most_steps) {
    if (!(high > low)) high = low + 1.0;
    ValueScale scale;
    scale.step = roundUp125((high - low) / most_steps);
    scale.low = std::floor(low / scale.step + 1e-9) * scale.step;
    scale.high = std::ceil(high / scale.step - 1e-9) * scale.step;
    scale.decimals = std::clamp(static_cast<int>(-std::floor(std::log10(scale.step) + 1e-9)), 0, 6);
    return scale;
}

std::vector<double> ValueScale::ticks() const {
    std::vector<double> values;
    const auto steps = static_cast<int>(std::lround((high - low) / step));
    for (int i = 0; i <= steps; ++i) values.push_back(low + i * step);
    return values;
}

}  // namespace mixoscope
