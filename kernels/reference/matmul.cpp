#include "kernels/float_formats.h"
#include "kernels/reference/operations.h"

namespace mixoscope::kernels::reference {

void embed(Matrix table, std::span<const std::int32_t> ids, RowsOut out) {
    assert(static_cast<std::int64_t>(ids.size()) == out.count && table.columns == out.columns);
    for (std::int64_t row = 0; row < out.count; ++row) {
        const std::byte* entry = table.row(ids[static_cast<std::size_t>(row)]);
        for (std::int64_t i = 0; i < out.columns; ++i) out.row(row)[i] = loadElement(entry, table.type, i);
    }
}

void matmul(RowsIn in, Matrix w, std::span<const float> bias, Accumulate mode, RowsOut out) {
    assert(in.columns == w.columns && out.columns == w.rows && in.count == out.count);
    assert(bias.empty() || static_cast<std::int64_t>(bias.size()) == w.rows);
    for (std::int64_t row = 0; row < in.count; ++row) {
        for (std::int64_t output = 0; output < w.rows; ++output) {
            double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(output)]);
            for (std::int64_t i = 0; i < in.columns; ++i) {
                sum += static_cast<double>(in.row(row)[i]) * static_cast<double>(loadElement(w.row(output), w.type, i));
            }
            float& y = out.row(row)[output];
            y = static_cast<float>(mode == Accumulate::kAdd ? static_cast<double>(y) + sum : sum);
        }
    }
}

}  // namespace mixoscope::kernels::reference
