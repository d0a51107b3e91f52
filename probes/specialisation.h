// What the experts of one layer are for: which phases, kinds of text and tokens they get, and which of them work
// together; each beside what a router without preferences would show. Measures: OLMoE (arXiv 2409.02060).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/step_trace.h"
#include "probes/token_class.h"

namespace mixoscope {

/// A row as one layer saw it.
struct LayerRow {
    TokenId id = -1;
    Phase phase = Phase::kPrompt;
    TokenClass token_class = TokenClass::kOther;
    std::span<const std::int16_t> experts;  // (slots) as in StepTrace: those that ran in rank order, then others
};

/// How far tokens prefer one expert, by the first choice: the mean, over tokens seen often enough, of the largest share
/// of a token's occurrences that one expert gets. A mean over token ids, as the published scripts take it.
struct VocabularySpecialisation {
    std::int64_t tokens = 0;       // ids that were seen often enough
    std::int64_t occurrences = 0;  // of these
    double largest_share = 0.0;    // NaN without such tokens
    double chance = 0.0;           // the same mean if every occurrence fell on an expert at random
};

/// Counts over rows, in whatever order they come. A copy is a snapshot. Only selections that ran count.
class LayerSpecialisation {
public:
    explicit LayerSpecialisation(std::int32_t experts = 0);
    void add(const LayerRow& row);
    void clear();

    std::int32_t experts() const { return m_experts; }
    std::int64_t rows() const { return m_rows; }
    std::int64_t rows(Phase phase) const { return m_phase_rows[static_cast<std::size_t>(phase)]; }
    std::int64_t rows(TokenClass kind) const { return m_class_rows[static_cast<std::size_t>(kind)]; }
    std::int64_t selections() const { return m_all_selections; }
    /// Rows that got the expert.
    std::int64_t selections(std::int32_t expert) const { return m_selections[index(expert)]; }
    std::int64_t selections(std::int32_t expert, Phase phase) const;
    std::int64_t selections(std::int32_t expert, TokenClass kind) const;
    /// Rows for which it was the first choice.
    std::int64_t firstChoices(std::int32_t expert) const { return m_first_choices[index(expert)]; }
    /// Rows that got both; all pairs, whatever their ranks.
    std::int64_t together(std::int32_t a, std::int32_t b) const;

    /// k: mean selections a row; NaN without rows.
    double meanSelections() const;
    /// Domain specialisation c_e(D) / T(D) for a phase or class D: the share of its rows that got the expert; NaN
    /// without rows.
    double share(std::int32_t expert, Phase phase) const;
    double share(std::int32_t expert, TokenClass kind) const;
    double share(std::int32_t expert) const;
    /// Its chance level, k / N.
    double shareChance() const;
    /// Co-activation a → b = N_ab / N_a, directed: of the rows of a, the share that b has too. Its sum over b is
    /// k − 1 where every row gets k. NaN where a got no row.
    double coactivation(std::int32_t a, std::int32_t b) const;
    /// Its chance level, (k − 1) / (N − 1).
    double coactivationChance() const;
    /// Over token ids with at least `least` occurrences.
    VocabularySpecialisation vocabulary(std::int64_t least = 10) const;

private:
    std::size_t index(std::int32_t expert) const { return static_cast<std::size_t>(expert); }

    std::int32_t m_experts = 0;
    std::int64_t m_rows = 0;
    std::int64_t m_all_selections = 0;
    std::array<std::int64_t, kPhaseCount> m_phase_rows{};
    std::array<std::int64_t, kTokenClassCount> m_class_rows{};
    std::vector<std::int64_t> m_selections;     // (experts)
    std::vector<std::int64_t> m_first_choices;  // (experts)
    std::vector<std::int64_t> m_by_phase;       // (phases, experts)
    std::vector<std::int64_t> m_by_class;       // (classes, experts)
    std::vector<std::int64_t> m_pairs;          // (experts, experts), a < b
    std::unordered_map<TokenId, std::unordered_map<std::int16_t, std::int64_t>> m_first_of_token;
};

/// The largest count that is expected of one of `cells` when `draws` fall on them at random. By Levin's representation
/// of the multinomial by truncated Poisson variables (Annals of Statistics 9 (1981) 1123), the density of their sum
/// taken as normal; within two per cent of the exact value.
double largestOfRandomDraws(std::int64_t draws, std::int64_t cells);
/// The same where each of `rows` gets k of N experts: the truncated variables are binomial.
double largestOfRandomSelections(std::int64_t rows, double k, std::int64_t experts);

}  // namespace mixoscope
