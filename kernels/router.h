// Choosing experts for a row from its router distribution: the one place where ties and NaN are decided.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/backend.h"

namespace mixoscope::kernels {

// The order of experts: numbers before NaN, then the likelier, then the lower id. An expert with a negative probability
// was taken out of the choice: it is never ranked, weighed or named as the next one.

/// Fills `ids` with the first experts of the order and returns how many there were; the rest of `ids` becomes −1.
std::int32_t rankExperts(std::span<const float> probabilities, std::span<std::int32_t> ids);

/// Puts any set of experts into the order.
void sortByRank(std::span<const float> probabilities, std::span<std::int32_t> ids);

/// Weights of chosen experts: their probabilities; renormalised they are divided by their sum, which is taken in the
/// order of `ids` (1 within 1e-6). `weights` beyond them become 0.
void weighExperts(std::span<const float> probabilities, std::span<const std::int32_t> ids, Renormalise renormalise,
                  std::span<float> weights);

/// What one row's selection looks like besides ids and weights.
struct SelectionFacts {
    std::int32_t next_expert = -1;  // the likeliest expert that was not chosen, −1 if all were
    float next_probability = 0.0F;  // its probability
    float last_probability = 0.0F;  // probability of the last chosen
    float top_probability = 0.0F;   // probability of the likeliest expert
    float entropy = 0.0F;           // −Σ p ln p / ln N, in [0, 1]; selectTopK fills it, describeSelection does not
};

/// `ids`: the chosen experts, in the order.
SelectionFacts describeSelection(std::span<const float> probabilities, std::span<const std::int32_t> ids);

/// Chooses the k likeliest experts of one row, weighs and describes them.
///   probabilities  (experts)      ids, weights  (slots ≥ k); unused slots get id −1 and weight 0
SelectionFacts selectTopK(std::span<const float> probabilities, int k, Renormalise renormalise,
                          std::span<std::int32_t> ids, std::span<float> weights);

}  // namespace mixoscope::kernels
