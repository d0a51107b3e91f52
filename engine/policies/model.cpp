// `model`: the checkpoint's own rule, softmax over all experts, the num_experts_per_tok likeliest, renormalised if
// norm_topk_prob says so.
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::model {

namespace {

class ModelPolicy final : public RoutingPolicy {
public:
    explicit ModelPolicy(const ModelConfig& config)
        : m_k(config.num_experts > 0 ? static_cast<int>(config.num_experts_per_tok) : 0),
          m_renormalise(config.norm_topk_prob ? kernels::Renormalise::kYes : kernels::Renormalise::kNo) {}

    std::string text() const override { return "model"; }
    int maxSlots() const override { return m_k; }
    kernels::SelectionFacts select(int /*layer*/, std::span<const float> probabilities, std::span<std::int32_t> ids,
                                   std::span<float> weights) const override {
        return kernels::selectTopK(probabilities, m_k, m_renormalise, ids, weights);
    }

private:
    int m_k;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    const std::string help = config.num_experts > 0
                                 ? "The checkpoint's own routing: top " + std::to_string(config.num_experts_per_tok) +
                                       " of " + std::to_string(config.num_experts) + " experts" +
                                       (config.norm_topk_prob ? ", weights renormalised" : "")
                                 : "The checkpoint's own layers; this model has no experts to choose";
    return {.name = "model", .help = help, .parameters = {}};
}

std::shared_ptr<const RoutingPolicy> makePolicy(const PolicyArguments& /*arguments*/, const ModelConfig& config) {
    return std::make_shared<ModelPolicy>(config);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .make = makePolicy};
}

}  // namespace mixoscope::policies::model
