#include <cmath>

#include "kernels/reference/operations.h"

namespace mixoscope::kernels::reference {

void rmsNorm(RowsIn in, std::span<const float> weight, float epsilon, RowsOut out) {
    assert(in.count == out.count && in.columns == out.columns);
    assert(static_cast<std::int64_t>(weight.size()) == in.columns);
    for (std::int64_t row = 0; row < in.count; ++row) {
        const float* x = in.row(row);
        float* y = out.row(row);
        double squares = 0.0;
        for (std::int64_t i = 0; i < in.columns; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        const double mean = squares / static_cast<double>(in.columns);
        const double scale = 1.0 / std::sqrt(mean + static_cast<double>(epsilon));
        for (std::int64_t i = 0; i < in.columns; ++i) {
            y[i] = static_cast<float>(static_cast<double>(x[i]) * scale *
                                      static_cast<double>(weight[static_cast<std::size_t>(i)]));
        }
    }
}

}  // namespace mixoscope::kernels::reference
