// A routing policy on rows of made-up router logits, without a model.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/lane_routing.h"

namespace mixoscope::test {

/// A model's figures that policies go by.
ModelConfig moeConfig(std::int64_t experts = 32, std::int64_t k = 4, bool renormalise = true, std::int64_t layers = 2);

struct PolicyRow {
    std::vector<float> logits;
    std::int64_t position = 0;
    TokenId token = 0;
    Phase phase = Phase::kPrompt;
    std::uint8_t token_flags = 0;
    float logprob = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> input = {};
};

struct PolicyChoice {
    std::vector<std::int32_t> ids;      // that run
    std::vector<float> weights;         // of them
    std::vector<std::int32_t> not_run;  // experts
    std::uint8_t flags = 0;
    kernels::SelectionFacts facts;
    std::vector<float> probabilities;  // as the policy left them

    bool operator==(const PolicyChoice& other) const;  // ids, weights, not_run and flags, every bit
    float weightSum() const;
};

class PolicyRunner {
public:
    PolicyRunner(const std::string& text, const ModelConfig& config, std::int64_t most_rows = 512);

    /// The rows as one step of the lane. Checks what holds for every policy: ids are different and within the model,
    /// nothing after an unused slot, weights only where an expert runs.
    std::vector<PolicyChoice> step(const std::vector<PolicyRow>& rows, int layer = 0);
    PolicyChoice one(const PolicyRow& row, int layer = 0) { return step({row}, layer).front(); }
    /// One row with these logits.
    PolicyChoice one(const std::vector<float>& logits, int layer = 0) {
        return one(PolicyRow{.logits = logits}, layer);
    }
    void restart() { m_routing.restart(); }
    const RoutingPolicy& policy() const { return m_routing.policy(); }

private:
    ModelConfig m_config;
    LaneRouting m_routing;
    std::unique_ptr<kernels::Backend> m_backend;
};

/// Normal logits; with `ties`, every fourth repeats the one before it.
std::vector<float> randomLogits(std::mt19937& random, std::int64_t experts, bool ties = true);
/// Rows at positions 0, 1, … with random logits and tokens.
std::vector<PolicyRow> randomRows(std::mt19937& random, std::int64_t rows, std::int64_t experts, bool ties = true);

}  // namespace mixoscope::test
