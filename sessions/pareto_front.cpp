#include "sessions/pareto_front.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace mixoscope {

std::vector<std::size_t> paretoFront(std::span<const Compromise> compromises) {
    std::vector<std::size_t> order(compromises.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
        if (compromises[a].cost != compromises[b].cost) return compromises[a].cost < compromises[b].cost;
        if (compromises[a].merit != compromises[b].merit) return compromises[a].merit > compromises[b].merit;
        return a < b;
    });
    std::vector<std::size_t> front;
    double best = -std::numeric_limits<double>::infinity();
    for (const std::size_t index : order) {
        const Compromise& candidate = compromises[index];
        const bool equal_to_last = !front.empty() && compromises[front.back()].cost == candidate.cost &&
                                   compromises[front.back()].merit == candidate.merit;
        if (candidate.merit <= best && !equal_to_last) continue;
        front.push_back(index);
        best = std::max(best, candidate.merit);
    }
    return front;
}

}  // namespace mixoscope
