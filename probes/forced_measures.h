// Quality of a lane against the baseline while both were fed the baseline's tokens (teacher forcing): per token, and
// means with bootstrap intervals over the tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ids.h"

namespace mixoscope {

/// One token of the baseline, as a lane saw it. Only tokens that the baseline drew itself are judged; injected ones are
/// fed and not judged.
struct ForcedTokenMeasures {
    std::int32_t position = 0;  // of the token; the row before it predicted it
    TokenId token = -1;
    double logprob = 0.0;     // of the token under the lane; NLL = −logprob, nats
    double divergence = 0.0;  // KL(baseline ‖ lane) of the next-token distributions, nats
    bool same_top = false;    // the likeliest token is the baseline's likeliest

    bool operator==(const ForcedTokenMeasures&) const = default;
};

/// A mean with the bounds of its 95 % bootstrap interval; NaN without tokens.
struct MeanWithInterval {
    double mean = 0.0;
    double low = 0.0;
    double high = 0.0;
};

struct ForcedMeasures {
    std::int64_t tokens = 0;      // n
    double nll = 0.0;             // mean, nats a token
    MeanWithInterval nll_change;  // lane − baseline, paired by token
    double divergence = 0.0;      // mean
    double same_top_share = 0.0;  // 0 to 1
};

/// `base` and `lane` judge the same tokens in the same order; one may be longer, then its end is left out. The interval
/// is that of the percentile bootstrap (Efron and Tibshirani 1993) with kBootstrapResamples resamples of the tokens
/// drawn by `seed`: the same input gives the same bounds. Tokens of one text are not independent, so it says how much
/// the mean depends on these tokens, not how other texts would do.
ForcedMeasures measureForced(std::span<const ForcedTokenMeasures> base, std::span<const ForcedTokenMeasures> lane,
                             std::uint64_t seed = 0);
constexpr int kBootstrapResamples = 2000;
/// Means without the interval (its bounds are NaN): cheap enough for every frame.
ForcedMeasures measureForcedMeans(std::span<const ForcedTokenMeasures> base, std::span<const ForcedTokenMeasures> lane);

}  // namespace mixoscope
