// Statistics of right and wrong answers.
#pragma once

#include <cstdint>

namespace mixoscope {

/// A share with its 95 % interval; all NaN without trials.
struct Proportion {
    std::int64_t successes = 0;
    std::int64_t trials = 0;
    double share = 0.0;
    double low = 0.0;
    double high = 0.0;
};
/// Wilson's score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953) at z = 1.95996.
Proportion wilsonInterval(std::int64_t successes, std::int64_t trials);

/// Two-sided exact McNemar test of two treatments of the same items (McNemar 1947, doi:10.1007/BF02295996): the
/// probability, if both were equally good, that the items which only one of them got right are split at least as
/// unevenly. 1 when there are none.
double mcNemarTest(std::int64_t only_first, std::int64_t only_second);

}  // namespace mixoscope
