// How unsure a router is.
#pragma once

#include "engine/routing_rule.h"

namespace mixoscope {

/// −Σ p ln p of the row's router distribution, in nats; 0 without a distribution.
double routerEntropy(const RoutedRow& row);

/// The same divided by ln N: 0 for one certain expert, 1 for an even distribution.
double normalisedRouterEntropy(const RoutedRow& row);
/// The same where the likeliest expert is known.
double normalisedRouterEntropy(const RoutedRow& row, std::int32_t likeliest);

}  // namespace mixoscope
