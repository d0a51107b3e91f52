#include "sessions/proportion.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace mixoscope {

Proportion wilsonInterval(std::int64_t successes, std::int64_t trials) {
    assert(successes >= 0 && successes <= trials);
    Proportion result{.successes = successes, .trials = trials};
    if (trials == 0) {
        result.share = result.low = result.high = std::numeric_limits<double>::quiet_NaN();
        return result;
    }
    constexpr double kZ = 1.959963984540054;
    const auto n = static_cast<double>(trials);
    result.share = static_cast<double>(successes) / n;
    const double divisor = 1.0 + kZ * kZ / n;
    const double centre = (result.share + kZ * kZ / (2.0 * n)) / divisor;
    const double half = kZ * std::sqrt(result.share * (1.0 - result.share) / n + kZ * kZ / (4.0 * n * n)) / divisor;
    // Rounding must not push an end that is 0 or 1 past it.
    result.low = successes == 0 ? 0.0 : std::max(0.0, centre - half);
    result.high = successes == trials ? 1.0 : std::min(1.0, centre + half);
    return result;
}

double mcNemarTest(std::int64_t only_first, std::int64_t only_second) {
    assert(only_first >= 0 && only_second >= 0);
    const std::int64_t n = only_first + only_second;
    if (n == 0) return 1.0;
    const auto size = static_cast<double>(n);
    double tail = 0.0;
    for (std::int64_t i = 0; i <= std::min(only_first, only_second); ++i) {
        const auto chosen = static_cast<double>(i);
        tail += std::exp(std::lgamma(size + 1.0) - std::lgamma(chosen + 1.0) - std::lgamma(size - chosen + 1.0) -
                         size * std::log(2.0));
    }
    return std::min(1.0, 2.0 * tail);
}

}  // namespace mixoscope
