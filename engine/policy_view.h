// What a token's experts depend on besides the token: a matter of a rule's settings, not of its name.
#pragma once

#include "engine/routing_policy.h"

namespace mixoscope {

/// Of a part with the values that it has; kRow for an edit. Throws Error as parsePolicy does.
RuleView viewOf(const PolicyPart& part, const ModelConfig& config);

/// Whether a token's experts never depend on later tokens. What looks at a step looks at all of it: also a capacity
/// that drops the latest tokens first grows with their number.
constexpr bool isCausal(RuleView view) {
    return view != RuleView::kStep;
}

}  // namespace mixoscope
