// `top-k:k=N`: the N likeliest experts of every row, weighted as the checkpoint weights its own choice. With the
// checkpoint's own N it is `model`, bit for bit.
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::top_k {

namespace {

class TopKPolicy final : public RoutingPolicy {
public:
    TopKPolicy(int k, kernels::Renormalise renormalise) : m_k(k), m_renormalise(renormalise) {}

    std::string text() const override { return "top-k:k=" + std::to_string(m_k); }
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
    return {.name = "top-k",
            .help = "The k likeliest experts of every token",
            .parameters = {{.key = "k",
                            .type = ParameterType::kInteger,
                            .minimum = config.num_experts > 0 ? 1.0 : 0.0,
                            .maximum = static_cast<double>(config.num_experts),
                            .default_value = std::to_string(config.num_experts_per_tok),
                            .help = "Experts a token; the checkpoint was trained with the default"}}};
}

std::shared_ptr<const RoutingPolicy> makePolicy(const PolicyArguments& arguments, const ModelConfig& config) {
    // A model trained with renormalised weights needs them at any k, else the layer's output changes its scale.
    const auto renormalise = config.norm_topk_prob ? kernels::Renormalise::kYes : kernels::Renormalise::kNo;
    return std::make_shared<TopKPolicy>(static_cast<int>(arguments.integer("k")), renormalise);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .make = makePolicy};
}

}  // namespace mixoscope::policies::top_k
