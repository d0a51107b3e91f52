#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/operations.h"

namespace mixoscope::kernels::reference {

void routerProbabilities(RowsIn logits, RowsOut probabilities) {
    assert(logits.count == probabilities.count && logits.columns == probabilities.columns);
    for (std::int64_t row = 0; row < logits.count; ++row) {
        const float* x = logits.row(row);
        float* p = probabilities.row(row);
        float highest = -std::numeric_limits<float>::infinity();
        for (std::int64_t i = 0; i < logits.columns; ++i) {
            if (!std::isnan(x[i])) highest = std::max(highest, x[i]);
        }
        // Equality comes first so that infinities share the probability instead of making NaN out of their difference.
        const auto numerator = [&](float logit) {
            if (std::isnan(logit) || highest == -std::numeric_limits<float>::infinity()) return 0.0;
            return logit == highest ? 1.0 : std::exp(static_cast<double>(logit) - static_cast<double>(highest));
        };
        double sum = 0.0;
        for (std::int64_t i = 0; i < logits.columns; ++i) sum += numerator(x[i]);
        for (std::int64_t i = 0; i < logits.columns; ++i) {
            p[i] = sum > 0.0 ? static_cast<float>(numerator(x[i]) / sum) : 0.0F;
        }
    }
}

}  // namespace mixoscope::kernels::reference
