// A ratio of sums with its interval: means over units of unequal weight, such as the NLL of a token over the windows of
// a text.
#pragma once

#include <cstdint>
#include <span>

#include "probes/forced_measures.h"

namespace mixoscope {

struct WeightedSum {
    double value = 0.0;
    double weight = 0.0;  // above 0
};

/// Σ value / Σ weight, and its 95 % interval by the delta method (linearisation of the ratio, Cochran, Sampling
/// Techniques, 1977, ch. 6) with Student's t of n − 1 degrees: r ± t √(n / (n − 1) Σ (value − r weight)²) / Σ weight.
/// The units count as independent; within one, whatever hangs together does no harm. NaN without units, the bounds also
/// with one.
MeanWithInterval ratioWithInterval(std::span<const WeightedSum> units);

/// The 97.5 % quantile of Student's t, to 4 digits; `degrees` is 1 or more.
double studentQuantile(std::int64_t degrees);

}  // namespace mixoscope
