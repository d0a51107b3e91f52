// Experts drawn at random, as a function of a key: no state, so a row's draw depends on nothing but the row.
#pragma once

#include <array>
#include <cstdint>

#include "engine/routing_rule.h"

namespace mixoscope {

/// What a draw depends on.
struct DrawKey {
    std::uint64_t seed = 0;
    std::uint64_t subject = 0;  // position, token …
    std::uint32_t layer = 0;
    std::uint32_t purpose = 1;  // keeps draws for different purposes apart; 0 is the sampler's
};

/// k different experts, every set of k equally likely, among those that can be chosen; in rank order.
void chooseAtRandom(RoutedRow& row, std::int32_t k, const DrawKey& key);

/// Experts of the row that can be chosen.
std::int32_t candidateCount(const RoutedRow& row);
/// Id of the candidate that has `index` candidates before it.
std::int32_t candidateAt(const RoutedRow& row, std::int32_t index);

}  // namespace mixoscope
