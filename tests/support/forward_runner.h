// Feeds token sequences through a model in chunks, for tests of the engine below the generation loop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/forward.h"
#include "engine/model.h"
#include "engine/processor.h"
#include "kernels/backend.h"

namespace mixoscope::test {

/// Top k straight on kernels::selectTopK, at work on one lane: independent of the policies under test elsewhere.
LaneRouting plainTopK(const ModelConfig& config, int k, bool renormalise);
/// With the checkpoint's own k and weights.
LaneRouting plainTopK(const ModelConfig& config);

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
    ForwardRunner(const Model& model, Processor& processor, std::int64_t most_tokens, std::int64_t most_rows);
    ForwardRunner(const Model& model, kernels::Backend& backend, std::int64_t most_tokens, std::int64_t most_rows);
    /// Under this policy.
    ForwardRunner(const Model& model, kernels::Backend& backend, std::int64_t most_tokens, std::int64_t most_rows,
                  const std::string& policy);

    /// Feeds the tokens, `chunk` of them in a step, and appends what was computed to fed().
    void feed(std::span<const TokenId> tokens, std::int64_t chunk);
    const FedTokens& fed() const { return m_fed; }
    TokenId likeliest() const;  // after the last token

private:
    ForwardRunner(const Model& model, std::unique_ptr<ForwardPass> forward, std::int64_t most_rows,
                  LaneRouting routing);
    void step(std::span<const TokenId> tokens);

    std::unique_ptr<ForwardPass> m_forward;
    KvSequence m_sequence;
    LaneRouting m_routing;
    RoutingRecord m_record;
    FedTokens m_fed;
};

}  // namespace mixoscope::test
