#include "support/policy_runner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

namespace mixoscope::test {

namespace {

PolicyChoice choiceOf(const RoutedRow& row, std::size_t experts) {
    PolicyChoice choice;
    choice.flags = row.flags;
    std::set<std::int32_t> seen;
    bool ended = false;
    for (std::size_t slot = 0; slot < row.ids.size(); ++slot) {
        const std::int32_t id = row.ids[slot];
        EXPECT_FALSE(ended && id != -1) << "an id after an unused slot";
        EXPECT_FALSE(std::isnan(row.weights[slot]));
        EXPECT_TRUE(id >= 0 || row.weights[slot] == 0.0F);
        if (id == -1) {
            ended = true;
            continue;
        }
        const std::int32_t expert = isNotRun(id) ? notRunId(id) : id;
        EXPECT_TRUE(expert >= 0 && static_cast<std::size_t>(expert) < experts);
        EXPECT_TRUE(seen.insert(expert).second) << "expert " << expert << " twice";
        if (isNotRun(id)) {
            choice.not_run.push_back(expert);
        } else {
            EXPECT_TRUE(choice.not_run.empty()) << "those that run come first";
            choice.ids.push_back(id);
            choice.weights.push_back(row.weights[slot]);
        }
    }
    choice.probabilities.assign(row.probabilities.begin(), row.probabilities.end());
    return choice;
}

}  // namespace

ModelConfig moeConfig(std::int64_t experts, std::int64_t k, bool renormalise, std::int64_t layers) {
    ModelConfig config;
    config.num_hidden_layers = layers;
    config.num_experts = experts;
    config.num_experts_per_tok = k;
    config.norm_topk_prob = renormalise;
    config.max_position_embeddings = 1024;
    return config;
}

bool PolicyChoice::operator==(const PolicyChoice& other) const {
    return ids == other.ids && not_run == other.not_run && flags == other.flags &&
           weights.size() == other.weights.size() &&
           (weights.empty() || std::memcmp(weights.data(), other.weights.data(), weights.size() * sizeof(float)) == 0);
}

float PolicyChoice::weightSum() const {
    return std::accumulate(weights.begin(), weights.end(), 0.0F);
}

PolicyRunner::PolicyRunner(const std::string& text, const ModelConfig& config, std::int64_t most_rows)
    : m_config(config),
      m_routing(parsePolicy(text, config), config, most_rows),
      m_backend(kernels::makeReferenceBackend()) {}

std::vector<PolicyChoice> PolicyRunner::step(const std::vector<PolicyRow>& rows, int layer) {
    const auto experts = static_cast<std::size_t>(m_config.num_experts);
    const auto slots = static_cast<std::size_t>(m_routing.policy().maxSlots());
    std::vector<float> logits;
    for (const PolicyRow& row : rows) logits.insert(logits.end(), row.logits.begin(), row.logits.end());
    EXPECT_EQ(logits.size(), rows.size() * experts);
    std::vector<float> probabilities(logits.size());
    std::vector<std::int32_t> ids(rows.size() * slots, 99);
    std::vector<float> weights(rows.size() * slots, 99.0F);
    std::vector<RoutedRow> routed(rows.size());
    for (std::size_t index = 0; index < rows.size(); ++index) {
        const PolicyRow& row = rows[index];
        routed[index] = {.token = row.token,
                         .position = row.position,
                         .phase = row.phase,
                         .token_flags = row.token_flags,
                         .logprob = row.logprob,
                         .input = row.input,
                         .logits = std::span(logits).subspan(index * experts, experts),
                         .probabilities = std::span(probabilities).subspan(index * experts, experts),
                         .ids = std::span(ids).subspan(index * slots, slots),
                         .weights = std::span(weights).subspan(index * slots, slots)};
    }
    m_routing.adjust(layer, routed);
    const auto count = static_cast<std::int64_t>(rows.size());
    m_backend->routerProbabilities({logits.data(), count, m_config.num_experts},
                                   {probabilities.data(), count, m_config.num_experts});
    m_routing.route(layer, routed);
    std::vector<PolicyChoice> choices;
    for (const RoutedRow& row : routed) {
        choices.push_back(choiceOf(row, experts));
        choices.back().facts = m_routing.describe(row);
        EXPECT_EQ((row.flags & layer_flag::kNone) != 0, choices.back().ids.empty());
        EXPECT_EQ((row.flags & (layer_flag::kDropped | layer_flag::kVirtual)) != 0, !choices.back().not_run.empty());
        if ((row.flags & layer_flag::kOwnSum) == 0 && !choices.back().ids.empty()) {
            EXPECT_NEAR(choices.back().weightSum(), 1.0F, 1e-5F);
        }
    }
    return choices;
}

std::vector<float> randomLogits(std::mt19937& random, std::int64_t experts, bool ties) {
    std::normal_distribution<float> normal(0.0F, 2.0F);
    std::vector<float> logits(static_cast<std::size_t>(experts));
    for (float& logit : logits) logit = normal(random);
    if (!ties) return logits;
    for (std::size_t index = 4; index < logits.size(); index += 4) logits[index] = logits[index - 1];
    return logits;
}

std::vector<PolicyRow> randomRows(std::mt19937& random, std::int64_t rows, std::int64_t experts, bool ties) {
    std::vector<PolicyRow> made;
    for (std::int64_t position = 0; position < rows; ++position) {
        made.push_back({.logits = randomLogits(random, experts, ties),
                        .position = position,
                        .token = static_cast<TokenId>(random() % 50)});
    }
    return made;
}

}  // namespace mixoscope::test
