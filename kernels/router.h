// Choosing experts for a row from its router distribution: the one place where ties and NaN are decided.
#pragma once

#include "kernels/backend.h"

#include <cstdint>
#include <span>

namespace mixoscope::kernels {

/// What one row's selection looks like besides ids and weights.
struct SelectionFacts {
    std::int32_t next_expert = -1;    // the likeliest expert that was not chosen, −1 if all were
    float next_probability = 0.0F;    // its probability
    float last_probability = 0.0F;    // probability of the last chosen
    float top_probability = 0.0F;     // probability of the first chosen
    float entropy = 0.0F;             // −Σ p ln p / ln N, in [0, 1]
};

/// Chooses the k likeliest experts of one row, in descending probability. Ties: the lower id wins. NaN ranks last.
///   probabilities  (experts)      ids, weights  (slots ≥ k); unused slots get id −1 and weight 0
/// Weights are the probabilities; renormalised they are divided by their sum (1 within 1e-6).
SelectionFacts selectTopK(std::span<const float> probabilities, int k, Renormalise renormalise,
                          std::span<std::int32_t> ids, std::span<float> weights);

}  // namespace mixoscope::kernels
