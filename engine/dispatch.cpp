#include "engine/dispatch.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {

std::int64_t expertCapacity(double factor, std::int64_t k, std::int64_t tokens, std::int64_t experts) {
    constexpr double kRounding = 1e-9;  // 1.1 · 10 is not 11 in binary
    const double share = factor * static_cast<double>(k) * static_cast<double>(tokens) / static_cast<double>(experts);
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(share - kRounding)));
}

void moveNotRunLast(RoutedRow& row) {
    std::size_t running = 0;
    for (std::size_t slot = 0; slot < row.ids.size() && row.ids[slot] != -1; ++slot) {
        if (isNotRun(row.ids[slot])) continue;
        std::rotate(row.ids.begin() + static_cast<std::ptrdiff_t>(running),
                    row.ids.begin() + static_cast<std::ptrdiff_t>(slot),
                    row.ids.begin() + static_cast<std::ptrdiff_t>(slot + 1));
        ++running;
    }
}

bool weighWithNotRun(RoutedRow& row, kernels::Renormalise renormalise) {
    const std::size_t running = runningIds(row).size();
    if (running == row.ids.size() || row.ids[running] == -1) return weighByProbability(row, renormalise);
    std::fill(row.weights.begin(), row.weights.end(), 0.0F);
    double sum = 0.0;
    for (std::size_t slot = 0; slot < row.ids.size() && row.ids[slot] != -1; ++slot) {
        const bool runs = slot < running;
        const float probability =
            row.probabilities[static_cast<std::size_t>(runs ? row.ids[slot] : notRunId(row.ids[slot]))];
        if (runs) row.weights[slot] = probability;
        sum += static_cast<double>(probability);
    }
    if (renormalise == kernels::Renormalise::kYes && sum > 0.0) {
        for (float& weight : row.weights.first(running)) weight = static_cast<float>(static_cast<double>(weight) / sum);
    }
    return false;
}

}  // namespace mixoscope
