#include "engine/sampler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <string>

#include "engine/counter_random.h"
#include "engine/error.h"
#include "kernels/cpu/logits.h"

namespace mixoscope {

using kernels::cpu::countAbove;
using kernels::cpu::countFrom;
using kernels::cpu::largestLogit;
using kernels::cpu::sumOfExponentials;

namespace {

/// Likelier first, of equals the lower id. While candidates are collected, `probability` holds the logit.
bool comesFirst(const Sampler::Candidate& left, const Sampler::Candidate& right) {
    if (left.probability != right.probability) return left.probability > right.probability;
    return left.token < right.token;
}

void checkRange(const char* field, double value, bool holds, const char* expected) {
    if (holds) return;
    throw Error({.what = "a sampling setting makes no sense",
                 .where = field,
                 .expected = expected,
                 .found = std::to_string(value)});
}

}  // namespace

void checkSampling(const SamplingSettings& settings) {
    const auto finite = [](float value) { return std::isfinite(value); };
    checkRange("temperature", settings.temperature, finite(settings.temperature) && settings.temperature >= 0.0F,
               "a number of at least 0");
    checkRange("top_p", settings.top_p, finite(settings.top_p) && settings.top_p > 0.0F && settings.top_p <= 1.0F,
               "a number above 0 and at most 1");
    checkRange("top_k", settings.top_k, settings.top_k >= 0, "a whole number of at least 0 (0: off)");
    checkRange("min_p", settings.min_p, finite(settings.min_p) && settings.min_p >= 0.0F && settings.min_p <= 1.0F,
               "a number from 0 to 1");
    checkRange("presence_penalty", settings.presence_penalty, finite(settings.presence_penalty), "a finite number");
    checkRange("repetition_penalty", settings.repetition_penalty,
               finite(settings.repetition_penalty) && settings.repetition_penalty > 0.0F, "a number above 0 (1: off)");
}

Sampler::Sampler(std::int64_t vocab_size)
    : m_logits(static_cast<std::size_t>(vocab_size)), m_stamps(static_cast<std::size_t>(vocab_size), 0) {
    m_candidates.reserve(static_cast<std::size_t>(vocab_size));
}

std::optional<Sampler::Draw> Sampler::draw(std::span<const float> logits, const SamplingSettings& settings,
                                           const SampledHistory& history, std::int64_t position) {
    if (settings.greedy || settings.temperature == 0.0F) {
        const std::span<const float> biased = penalised(logits, settings, history);
        const std::optional<float> largest = largestLogit(biased);
        if (!largest) return std::nullopt;
        // The first of equals: the lower id.
        return judge(logits, static_cast<TokenId>(std::ranges::find(biased, *largest) - biased.begin()));
    }
    const std::span<const Candidate> candidates = distribution(logits, settings, history);
    if (candidates.empty()) return std::nullopt;
    const double target = uniformAt(settings.seed, static_cast<std::uint64_t>(position));
    double cumulative = 0.0;
    // Rounding may leave the sum a little below 1: then the last candidate with a probability takes the rest.
    TokenId chosen = candidates.front().token;
    for (const Candidate& candidate : candidates) {
        if (candidate.probability > 0.0) chosen = candidate.token;
        cumulative += candidate.probability;
        if (target < cumulative) break;
    }
    return judge(logits, chosen);
}

std::optional<Sampler::Draw> Sampler::judge(std::span<const float> logits, TokenId token) {
    const std::optional<float> largest = largestLogit(logits);
    if (!largest) return std::nullopt;
    const float logit = logits[static_cast<std::size_t>(token)];
    const double logprob = static_cast<double>(logit - *largest) - std::log(sumOfExponentials(logits, *largest));
    return Draw{.token = token, .logprob = static_cast<float>(logprob), .rank = rankOf(logits, token)};
}

std::int32_t Sampler::rankOf(std::span<const float> logits, TokenId token) {
    const auto index = static_cast<std::size_t>(token);
    assert(token >= 0 && index < logits.size());
    const float logit = logits[index];
    return static_cast<std::int32_t>(countFrom(logits.first(index), logit) +
                                     countAbove(logits.subspan(index + 1), logit));
}

std::span<const float> Sampler::penalised(std::span<const float> logits, const SamplingSettings& settings,
                                          const SampledHistory& history) {
    assert(logits.size() == m_logits.size());
    const bool repetition = settings.repetition_penalty != 1.0F;
    const bool presence = settings.presence_penalty != 0.0F;
    if (!repetition && !presence) return logits;
    std::ranges::copy(logits, m_logits.begin());
    const auto forEachOnce = [&](std::span<const TokenId> tokens, auto&& change) {
        if (++m_stamp == 0) {  // wrapped: old stamps would look fresh
            std::ranges::fill(m_stamps, 0U);
            m_stamp = 1;
        }
        for (const TokenId token : tokens) {
            const auto index = static_cast<std::size_t>(token);
            if (m_stamps[index] == m_stamp) continue;
            m_stamps[index] = m_stamp;
            change(m_logits[index]);
        }
    };
    if (repetition) {
        const float penalty = settings.repetition_penalty;
        forEachOnce(history.sequence, [&](float& logit) { logit = logit < 0.0F ? logit * penalty : logit / penalty; });
    }
    if (presence) {
        forEachOnce(history.sequence.subspan(std::min(history.generated_from, history.sequence.size())),
                    [&](float& logit) { logit -= settings.presence_penalty; });
    }
    return m_logits;
}

void Sampler::collectTopK(std::span<const float> logits, std::size_t k) {
    constexpr std::size_t kBlock = 256;
    for (std::size_t first = 0; first < logits.size(); first += kBlock) {
        const std::span<const float> block = logits.subspan(first, std::min(kBlock, logits.size() - first));
        // The heap's front is the worst of the best so far; ids ascend, so an equal never pushes it out.
        const bool full = m_candidates.size() == k;
        if (full && countAbove(block, static_cast<float>(m_candidates.front().probability)) == 0) continue;
        for (std::size_t index = 0; index < block.size(); ++index) {
            collect({.token = static_cast<TokenId>(first + index), .probability = static_cast<double>(block[index])},
                    k);
        }
    }
}

void Sampler::collect(const Candidate& candidate, std::size_t k) {
    if (m_candidates.size() == k) {
        if (candidate.probability <= m_candidates.front().probability) return;
        std::ranges::pop_heap(m_candidates, comesFirst);
        m_candidates.back() = candidate;
    } else {
        m_candidates.push_back(candidate);
    }
    std::ranges::push_heap(m_candidates, comesFirst);
}

void Sampler::collectAbove(std::span<const float> logits, double smallest) {
    for (std::size_t index = 0; index < logits.size(); ++index) {
        const auto logit = static_cast<double>(logits[index]);
        if (logit >= smallest) m_candidates.push_back({.token = static_cast<TokenId>(index), .probability = logit});
    }
}

void Sampler::cutNucleus(double top_p) {
    double cumulative = 0.0;
    std::size_t kept = 0;
    while (kept < m_candidates.size() && (kept == 0 || cumulative < top_p)) {
        cumulative += m_candidates[kept].probability;
        ++kept;
    }
    m_candidates.resize(kept);
}

void Sampler::cutBelow(double min_p) {
    const double smallest = min_p * m_candidates.front().probability;
    while (m_candidates.back().probability < smallest) m_candidates.pop_back();
}

std::span<const Sampler::Candidate> Sampler::distribution(std::span<const float> logits,
                                                          const SamplingSettings& settings,
                                                          const SampledHistory& history) {
    assert(settings.temperature > 0.0F);
    m_candidates.clear();
    const std::span<const float> biased = penalised(logits, settings, history);
    const std::optional<float> found = largestLogit(biased);
    if (!found) return {};
    const auto largest = static_cast<double>(*found);
    const auto temperature = static_cast<double>(settings.temperature);
    const auto top_p = static_cast<double>(settings.top_p);
    const auto min_p = static_cast<double>(settings.min_p);
    const auto k = static_cast<std::size_t>(settings.top_k);
    const auto weight = [&](double logit) { return std::exp((logit - largest) / temperature); };

    double total = 0.0;
    if (k > 0 && k < biased.size()) {
        collectTopK(biased, k);
        std::ranges::sort(m_candidates, comesFirst);
        for (const Candidate& candidate : m_candidates) total += weight(candidate.probability);
    } else {
        for (const float logit : biased) total += weight(static_cast<double>(logit));
        // Tokens below these weights cannot survive top-p (together they have less than 1 − p) or min-p: leaving them
        // out keeps the sort short. Half the bound, so that rounding never takes one that would survive.
        const double nucleus_bound = (1.0 - top_p) * total / static_cast<double>(biased.size());
        const double bound = 0.5 * std::max(nucleus_bound, min_p);
        collectAbove(biased,
                     bound > 0.0 ? largest + temperature * std::log(bound) : -std::numeric_limits<double>::infinity());
        if (top_p < 1.0 || min_p > 0.0) std::ranges::sort(m_candidates, comesFirst);
    }
    for (Candidate& candidate : m_candidates) candidate.probability = weight(candidate.probability) / total;
    if (top_p < 1.0) cutNucleus(top_p);
    if (min_p > 0.0) cutBelow(min_p);
    double kept = 0.0;
    for (const Candidate& candidate : m_candidates) kept += candidate.probability;
    for (Candidate& candidate : m_candidates) candidate.probability /= kept;
    return m_candidates;
}

}  // namespace mixoscope
