#include <cmath>
#include <vector>

#include "kernels/float_formats.h"
#include "kernels/reference/operations.h"

namespace mixoscope::kernels::reference {
namespace {

double dot(const double* x, const Matrix& w, std::int64_t output) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < w.columns; ++i) {
        sum += x[i] * static_cast<double>(loadElement(w.row(output), w.type, i));
    }
    return sum;
}

/// sums += weight · down(silu(gate x) * up x)
void addExpert(const std::vector<double>& x, const ExpertMatrices& expert, double weight, std::vector<double>& sums) {
    assert(expert.gate.rows == expert.up.rows && expert.down.columns == expert.gate.rows);
    std::vector<double> hidden(static_cast<std::size_t>(expert.gate.rows));
    for (std::size_t i = 0; i < hidden.size(); ++i) {
        const double gate = dot(x.data(), expert.gate, static_cast<std::int64_t>(i));
        hidden[i] = gate / (1.0 + std::exp(-gate)) * dot(x.data(), expert.up, static_cast<std::int64_t>(i));
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
        sums[i] += weight * dot(hidden.data(), expert.down, static_cast<std::int64_t>(i));
    }
}

}  // namespace

void swiglu(RowsIn in, const ExpertMatrices& weights, RowsOut out) {
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(in.count), 0);
    const std::vector<float> ones(static_cast<std::size_t>(in.count), 1.0F);
    experts(in, {&weights, 1}, {.ids = ids.data(), .weights = ones.data(), .slots = 1}, out);
}

void experts(RowsIn in, std::span<const ExpertMatrices> experts, ExpertChoice choice, RowsOut out) {
    assert(in.count == out.count);
    for (std::int64_t row = 0; row < in.count; ++row) {
        const std::vector<double> x(in.row(row), in.row(row) + in.columns);
        std::vector<double> sums(static_cast<std::size_t>(out.columns), 0.0);
        for (std::int64_t slot = 0; slot < choice.slots; ++slot) {
            const std::int32_t id = choice.ids[row * choice.slots + slot];
            if (id < 0) continue;
            const auto weight = static_cast<double>(choice.weights[row * choice.slots + slot]);
            addExpert(x, experts[static_cast<std::size_t>(id)], weight, sums);
        }
        for (std::int64_t i = 0; i < out.columns; ++i) {
            float& y = out.row(row)[i];
            y = static_cast<float>(static_cast<double>(y) + sums[static_cast<std::size_t>(i)]);
        }
    }
}

}  // namespace mixoscope::kernels::reference
