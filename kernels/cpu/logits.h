// Passes over the logits of one row, which is as long as the vocabulary: what drawing a token costs.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace mixoscope::kernels::cpu {

/// The largest logit; empty when the logits are no distribution: a NaN, a positive infinity, or nothing above −inf.
std::optional<float> largestLogit(std::span<const float> logits);

/// Σ exp(logit − largest), `largest` being finite and no less than any of them; −inf adds nothing. A logit's term is an
/// f32 to about a unit in the last place; 256 of them are added as f32, those sums as f64.
double sumOfExponentials(std::span<const float> logits, float largest);

/// How many logits are above `bound`.
std::size_t countAbove(std::span<const float> logits, float bound);
/// How many are equal to it or above.
std::size_t countFrom(std::span<const float> logits, float bound);

}  // namespace mixoscope::kernels::cpu
