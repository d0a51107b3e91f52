#include "probes/specialisation.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <map>

namespace mixoscope {

namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();
constexpr double kNegligible = 1e-12;

double ratio(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? kNoValue : static_cast<double>(part) / static_cast<double>(whole);
}

double normalDensity(double distance, double variance) {
    constexpr double kTwoPi = 6.283185307179586;
    return std::exp(-0.5 * distance * distance / variance) / std::sqrt(kTwoPi * variance);
}

/// E[max] of `cells` independent counts with these probabilities, given that they sum to `total`.
double largestGivenSum(const std::vector<double>& probabilities, std::int64_t cells, double total) {
    const auto n = static_cast<double>(cells);
    const auto density = [&](double mass, double first, double second) {
        const double mean = first / mass;
        const double variance = std::max(second / mass - mean * mean, 0.0) * n;
        const double distance = total - n * mean;
        if (variance < kNegligible) return std::abs(distance) < 0.5 ? 1.0 : 0.0;
        return normalDensity(distance, variance);
    };
    double whole_first = 0.0;
    double whole_second = 0.0;
    for (std::size_t count = 0; count < probabilities.size(); ++count) {
        const auto value = static_cast<double>(count);
        whole_first += value * probabilities[count];
        whole_second += value * value * probabilities[count];
    }
    const double whole = density(1.0, whole_first, whole_second);
    double mass = 0.0;
    double first = 0.0;
    double second = 0.0;
    double largest = 0.0;
    for (std::size_t most = 0; most < probabilities.size(); ++most) {
        const auto value = static_cast<double>(most);
        mass += probabilities[most];
        first += value * probabilities[most];
        second += value * value * probabilities[most];
        const bool possible = value * n >= total && mass > 0.0;
        const double below = possible ? std::pow(std::min(mass, 1.0), n) * density(mass, first, second) / whole : 0.0;
        largest += 1.0 - std::clamp(below, 0.0, 1.0);
    }
    return largest;
}

}  // namespace

double largestOfRandomDraws(std::int64_t draws, std::int64_t cells) {
    if (draws <= 0 || cells <= 0) return 0.0;
    if (cells == 1) return static_cast<double>(draws);
    const double mean = static_cast<double>(draws) / static_cast<double>(cells);
    std::vector<double> probabilities;
    double logarithm = -mean;
    for (std::int64_t count = 0; count <= draws; ++count) {
        if (count > 0) logarithm += std::log(mean / static_cast<double>(count));
        probabilities.push_back(std::exp(logarithm));
        if (static_cast<double>(count) > mean && probabilities.back() < kNegligible) break;
    }
    return largestGivenSum(probabilities, cells, static_cast<double>(draws));
}

double largestOfRandomSelections(std::int64_t rows, double k, std::int64_t experts) {
    if (rows <= 0 || experts <= 0 || !(k > 0.0)) return 0.0;
    const double p = k / static_cast<double>(experts);
    if (p >= 1.0) return static_cast<double>(rows);
    std::vector<double> probabilities;
    double logarithm = static_cast<double>(rows) * std::log1p(-p);
    for (std::int64_t count = 0; count <= rows; ++count) {
        if (count > 0)
            logarithm += std::log(static_cast<double>(rows - count + 1) / static_cast<double>(count) * p / (1.0 - p));
        probabilities.push_back(std::exp(logarithm));
        if (static_cast<double>(count) > p * static_cast<double>(rows) && probabilities.back() < kNegligible) break;
    }
    return largestGivenSum(probabilities, experts, static_cast<double>(rows) * k);
}

LayerSpecialisation::LayerSpecialisation(std::int32_t experts) : m_experts(experts) {
    const auto n = static_cast<std::size_t>(experts);
    m_selections.resize(n);
    m_first_choices.resize(n);
    m_by_phase.resize(kPhaseCount * n);
    m_by_class.resize(kTokenClassCount * n);
    m_pairs.resize(n * n);
}

void LayerSpecialisation::clear() {
    *this = LayerSpecialisation(m_experts);
}

void LayerSpecialisation::add(const LayerRow& row) {
    ++m_rows;
    ++m_phase_rows[static_cast<std::size_t>(row.phase)];
    ++m_class_rows[static_cast<std::size_t>(row.token_class)];
    std::size_t ran = 0;
    while (ran < row.experts.size() && row.experts[ran] >= 0) ++ran;
    if (ran == 0) return;
    m_all_selections += static_cast<std::int64_t>(ran);
    ++m_first_choices[index(row.experts.front())];
    ++m_first_of_token[row.id][row.experts.front()];
    for (std::size_t slot = 0; slot < ran; ++slot) {
        const std::int32_t expert = row.experts[slot];
        assert(expert < m_experts);
        ++m_selections[index(expert)];
        ++m_by_phase[static_cast<std::size_t>(row.phase) * index(m_experts) + index(expert)];
        ++m_by_class[static_cast<std::size_t>(row.token_class) * index(m_experts) + index(expert)];
        for (std::size_t other = slot + 1; other < ran; ++other) {
            const std::int32_t second = row.experts[other];
            ++m_pairs[index(std::min(expert, second)) * index(m_experts) + index(std::max(expert, second))];
        }
    }
}

std::int64_t LayerSpecialisation::selections(std::int32_t expert, Phase phase) const {
    return m_by_phase[static_cast<std::size_t>(phase) * index(m_experts) + index(expert)];
}

std::int64_t LayerSpecialisation::selections(std::int32_t expert, TokenClass kind) const {
    return m_by_class[static_cast<std::size_t>(kind) * index(m_experts) + index(expert)];
}

std::int64_t LayerSpecialisation::together(std::int32_t a, std::int32_t b) const {
    if (a == b) return selections(a);
    const auto [low, high] = std::minmax(a, b);
    return m_pairs[index(low) * index(m_experts) + index(high)];
}

double LayerSpecialisation::meanSelections() const {
    return ratio(m_all_selections, m_rows);
}

double LayerSpecialisation::share(std::int32_t expert, Phase phase) const {
    return ratio(selections(expert, phase), rows(phase));
}

double LayerSpecialisation::share(std::int32_t expert, TokenClass kind) const {
    return ratio(selections(expert, kind), rows(kind));
}

double LayerSpecialisation::share(std::int32_t expert) const {
    return ratio(selections(expert), m_rows);
}

double LayerSpecialisation::shareChance() const {
    return meanSelections() / m_experts;
}

double LayerSpecialisation::coactivation(std::int32_t a, std::int32_t b) const {
    return ratio(together(a, b), selections(a));
}

double LayerSpecialisation::coactivationChance() const {
    return m_experts < 2 ? kNoValue : std::max(meanSelections() - 1.0, 0.0) / (m_experts - 1);
}

VocabularySpecialisation LayerSpecialisation::vocabulary(std::int64_t least) const {
    VocabularySpecialisation result;
    std::map<std::int64_t, double> chances;  // by occurrences
    double shares = 0.0;
    double chance = 0.0;
    for (const auto& [id, firsts] : m_first_of_token) {
        std::int64_t occurrences = 0;
        std::int64_t largest = 0;
        for (const auto& [expert, count] : firsts) {
            occurrences += count;
            largest = std::max(largest, count);
        }
        if (occurrences < least) continue;
        ++result.tokens;
        result.occurrences += occurrences;
        shares += ratio(largest, occurrences);
        const auto [known, is_new] = chances.try_emplace(occurrences, 0.0);
        if (is_new) known->second = largestOfRandomDraws(occurrences, m_experts) / static_cast<double>(occurrences);
        chance += known->second;
    }
    result.largest_share = result.tokens == 0 ? kNoValue : shares / static_cast<double>(result.tokens);
    result.chance = result.tokens == 0 ? kNoValue : chance / static_cast<double>(result.tokens);
    return result;
}

}  // namespace mixoscope
