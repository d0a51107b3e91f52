// Experts drawn at random, as a function of a key: no state, so a row's draw depends on nothing but the row.
#pragma once

#include <array>
#include <cstdint>

#include "engine/routing_rule.h"

namespace mixoscope {

/// What a draw depends on.
struct DrawKey {
    std::uint64_t seed = 0;
    std::uint64_t subject = 0;  // position, token …
    std::uint32_t layer = 0;
    std::uint32_t purpose = 1;  // keeps draws for different purposes apart; 0 is the sampler's
};

/// Uniform in [0, 1), with 53 bits.
double uniformFor(const DrawKey& key);

/// k different experts, every set of k equally likely, among those that can be chosen; in rank order.
void chooseAtRandom(RoutedRow& row, std::int32_t k, const DrawKey& key);

/// The rule of drawn experts: k of them, one draw for each layer and each value of the row's subject; weights by the
/// router's probabilities.
class DrawnRule final : public RowRule {
public:
    /// What a row's draw goes by, its position or its token …
    using Subject = std::uint64_t (*)(const RoutedRow& row);
    DrawnRule(int k, kernels::Renormalise renormalise, std::uint64_t seed, std::uint32_t purpose, Subject subject)
        : m_k(k), m_renormalise(renormalise), m_seed(seed), m_purpose(purpose), m_subject(subject) {}

    int maxSlots() const override { return m_k; }
    void chooseRow(int layer, RoutedRow& row) const override;
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    int m_k;
    kernels::Renormalise m_renormalise;
    std::uint64_t m_seed;
    std::uint32_t m_purpose;
    Subject m_subject;
};

/// Experts of the row that can be chosen.
std::int32_t candidateCount(const RoutedRow& row);
/// Id of the candidate that has `index` candidates before it.
std::int32_t candidateAt(const RoutedRow& row, std::int32_t index);

}  // namespace mixoscope
