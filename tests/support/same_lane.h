// Two pictures of a lane that have to be the same.
#pragma once

#include "probes/snapshot.h"

namespace mixoscope::test {

/// Tokens, routing, loads, turns, events and checks, bit for bit.
void expectSameLane(const LaneSnapshot& a, const LaneSnapshot& b);

}  // namespace mixoscope::test
