// The router's softmax. Scalar: some hundred experts a row, and its order decides which experts run.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/families.h"
#include "kernels/exponential.h"

namespace mixoscope::kernels::cpu {

void routerProbabilities(RowsIn logits, RowsOut probabilities) {
    assert(logits.count == probabilities.count && logits.columns == probabilities.columns);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (std::int64_t row = 0; row < logits.count; ++row) {
        const float* x = logits.row(row);
        float* p = probabilities.row(row);
        float highest = -kInfinity;
        for (std::int64_t i = 0; i < logits.columns; ++i) highest = std::max(highest, x[i]);  // passes over NaN
        double sum = 0.0;
        for (std::int64_t i = 0; i < logits.columns; ++i) {
            // Equality comes first so that infinities share the probability instead of making NaN of their difference.
            const bool nothing = std::isnan(x[i]) || highest == -kInfinity;
            p[i] = nothing ? 0.0F : x[i] == highest ? 1.0F : exponential(x[i] - highest);
            sum += static_cast<double>(p[i]);
        }
        if (sum == 0.0) continue;
        for (std::int64_t i = 0; i < logits.columns; ++i) p[i] = static_cast<float>(static_cast<double>(p[i]) / sum);
    }
}

}  // namespace mixoscope::kernels::cpu
