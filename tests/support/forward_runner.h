// Feeds token sequences through a model in chunks, for tests of the engine below the generation loop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/forward.h"
#include "engine/model.h"
#include "kernels/backend.h"

namespace mixoscope::test {

/// The checkpoint's own rule, straight on kernels::selectTopK: independent of the policies under test elsewhere.
class PlainTopK : public RoutingPolicy {
public:
    PlainTopK(int k, bool renormalise) : m_k(k), m_renormalise(renormalise) {}
    explicit PlainTopK(const ModelConfig& config)
        : PlainTopK(static_cast<int>(config.num_experts_per_tok), config.norm_topk_prob) {}
    std::string text() const override { return "top-k:k=" + std::to_string(m_k); }
    int maxSlots() const override { return m_k; }
    kernels::SelectionFacts select(int layer, std::span<const float> probabilities, std::span<std::int32_t> ids,
                                   std::span<float> weights) const override;

private:
    int m_k;
    bool m_renormalise;
};

/// What was computed for each token fed so far.
struct FedTokens {
    std::vector<std::vector<float>> logits;             // per token (vocab_size)
    std::vector<std::vector<std::int16_t>> expert_ids;  // per token (moe_layers, slots)
    std::vector<std::vector<float>> expert_weights;     // per token (moe_layers, slots)
    std::vector<std::vector<RouterFacts>> router;       // per token (moe_layers)
    std::vector<std::vector<float>> distributions;      // per token (moe_layers, experts)
    bool operator==(const FedTokens& other) const;      // every bit
};

/// One sequence with caches and buffers of its own.
class ForwardRunner {
public:
    ForwardRunner(const Model& model, kernels::Backend& backend, std::int64_t most_tokens, std::int64_t most_rows);

    /// Feeds the tokens, `chunk` of them in a step, and appends what was computed to fed().
    void feed(std::span<const TokenId> tokens, std::int64_t chunk);
    const FedTokens& fed() const { return m_fed; }
    TokenId likeliest() const;  // after the last token

private:
    void step(std::span<const TokenId> tokens);

    const Model& m_model;
    kernels::Backend& m_backend;
    KvCache m_cache;
    KvSequence m_sequence;
    PlainTopK m_policy;
    Activations m_activations;
    RoutingRecord m_record;
    FedTokens m_fed;
};

}  // namespace mixoscope::test
