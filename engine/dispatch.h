// What rules that look at a whole step, or leave selections that do not run, have in common.
#pragma once

#include <cstdint>

#include "engine/routing_rule.h"

namespace mixoscope {

/// Tokens that an expert takes of a dispatch group: max(1, ⌈factor · k · tokens / experts⌉), so that 1 is the even
/// share.
std::int64_t expertCapacity(double factor, std::int64_t k, std::int64_t tokens, std::int64_t experts);

/// Puts the selections that do not run behind those that do; either keep their order.
void moveNotRunLast(RoutedRow& row);

/// Weights by the router's probabilities over all selections, those that do not run included: their share is lost.
bool weighWithNotRun(RoutedRow& row, kernels::Renormalise renormalise);

}  // namespace mixoscope
