// The best of several compromises between two aims.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mixoscope {

struct Compromise {
    double cost = 0.0;   // smaller is better
    double merit = 0.0;  // larger is better
};
/// Indices of those that no other one beats: none is at least as good in both and better in one. By rising cost; of
/// equals all.
std::vector<std::size_t> paretoFront(std::span<const Compromise> compromises);

}  // namespace mixoscope
