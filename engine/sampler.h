// Logits → a token. The order is that of Hugging Face transformers: penalties, temperature, top-k, top-p, min-p, draw.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/ids.h"
#include "engine/lane_settings.h"

namespace mixoscope {

/// Throws Error naming the field whose value makes no sense (a negative temperature, top-p above 1 …).
void checkSampling(const SamplingSettings& settings);

/// Tokens that the penalties look at.
struct SampledHistory {
    std::span<const TokenId> sequence;  // everything before the token to be drawn: the repetition penalty's view
    std::size_t generated_from = 0;     // first token after the turn's prompt: the presence penalty's view
};

/// Keeps its workspace between draws and nothing else: a draw is a function of its arguments.
class Sampler {
public:
    explicit Sampler(std::int64_t vocab_size);

    struct Draw {
        TokenId token = -1;
        float logprob = 0.0F;   // under the model: of the raw logits, before penalties, temperature and filters
        std::int32_t rank = 0;  // among the raw logits; 0 is the likeliest, of equals the lower id comes first
    };

    /// Draws the token for `position`. The random number depends on (seed, position) alone. Greedy (and temperature 0)
    /// takes the largest logit after the penalties. Of equal logits the lower id comes first everywhere: in greedy, in
    /// top-k's and top-p's cut. Empty when there is no distribution: a NaN, a positive infinity, or no finite logit.
    std::optional<Draw> draw(std::span<const float> logits, const SamplingSettings& settings,
                             const SampledHistory& history, std::int64_t position);

    /// Log-probability and rank of a given token under the raw logits.
    static std::optional<Draw> judge(std::span<const float> logits, TokenId token);
    /// Rank alone, without the exponentials.
    static std::int32_t rankOf(std::span<const float> logits, TokenId token);

    /// A token that may be drawn and its probability; likeliest first.
    struct Candidate {
        TokenId token = -1;
        double probability = 0.0;
    };
    /// The distribution that draw() would draw from, valid until the next call. Empty where draw() gives none.
    std::span<const Candidate> distribution(std::span<const float> logits, const SamplingSettings& settings,
                                            const SampledHistory& history);

private:
    std::span<const float> penalised(std::span<const float> logits, const SamplingSettings& settings,
                                     const SampledHistory& history);
    void collectTopK(std::span<const float> logits, std::size_t k);
    void collect(const Candidate& candidate, std::size_t k);
    void collectAbove(std::span<const float> logits, double smallest);
    void cutNucleus(double top_p);
    void cutBelow(double min_p);

    std::vector<float> m_logits;          // (vocab_size) after the penalties
    std::vector<std::uint32_t> m_stamps;  // (vocab_size) last draw that penalised the token
    std::uint32_t m_stamp = 0;
    std::vector<Candidate> m_candidates;  // capacity vocab_size
};

}  // namespace mixoscope
