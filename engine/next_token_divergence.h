// How far apart two next-token distributions are, from their logits.
#pragma once

#include <span>

#include "engine/ids.h"

namespace mixoscope {

/// ln p(token) of the softmax of the logits; −∞ for a token that cannot follow, NaN when the logits are no
/// distribution.
double logProbability(std::span<const float> logits, TokenId token);

/// KL(base ‖ other) = Σ p ln(p / q) in nats, of the softmaxes p and q of two rows of logits of one vocabulary. Computed
/// in double from log-probabilities, so that small probabilities count; exactly 0 for equal logits, ∞ where only q is
/// 0, NaN when either is no distribution.
double nextTokenDivergence(std::span<const float> base, std::span<const float> other);

/// The likeliest token, of equals the lower id.
TokenId likeliestToken(std::span<const float> logits);

}  // namespace mixoscope
