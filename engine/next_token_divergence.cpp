#include "engine/next_token_divergence.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace mixoscope {

namespace {

/// ln Σ exp(logit): what a logit exceeds its log-probability by. NaN when the logits are no distribution.
double logNormaliser(std::span<const float> logits) {
    float largest = -std::numeric_limits<float>::infinity();
    for (const float logit : logits) {
        if (std::isnan(logit)) return std::numeric_limits<double>::quiet_NaN();
        largest = std::max(largest, logit);
    }
    if (!std::isfinite(largest)) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(largest));
    return static_cast<double>(largest) + std::log(sum);
}

}  // namespace

double logProbability(std::span<const float> logits, TokenId token) {
    assert(token >= 0 && static_cast<std::size_t>(token) < logits.size());
    return static_cast<double>(logits[static_cast<std::size_t>(token)]) - logNormaliser(logits);
}

double nextTokenDivergence(std::span<const float> base, std::span<const float> other) {
    assert(base.size() == other.size());
    const double base_normaliser = logNormaliser(base);
    const double other_normaliser = logNormaliser(other);
    if (std::isnan(base_normaliser) || std::isnan(other_normaliser)) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0.0;
    for (std::size_t token = 0; token < base.size(); ++token) {
        const double base_logprob = static_cast<double>(base[token]) - base_normaliser;
        const double probability = std::exp(base_logprob);
        if (probability == 0.0) continue;  // p ln p → 0
        sum += probability * (base_logprob - (static_cast<double>(other[token]) - other_normaliser));
    }
    return std::max(sum, 0.0);  // it is never negative but for rounding
}

TokenId likeliestToken(std::span<const float> logits) {
    return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
}

}  // namespace mixoscope
