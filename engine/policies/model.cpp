// `model`: the checkpoint's own rule, softmax over all experts, the num_experts_per_tok likeliest, renormalised if
// norm_topk_prob says so.
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::model {

namespace {

class ModelRule final : public RowRule {
public:
    explicit ModelRule(const ModelConfig& config)
        : m_k(config.num_experts > 0 ? static_cast<int>(config.num_experts_per_tok) : 0),
          m_renormalise(config.norm_topk_prob ? kernels::Renormalise::kYes : kernels::Renormalise::kNo) {}

    int maxSlots() const override { return m_k; }
    std::optional<LikeliestExperts> asLikeliest() const override { return LikeliestExperts{m_k, m_renormalise}; }
    void chooseRow(int /*layer*/, RoutedRow& row) const override { chooseLikeliest(row, m_k); }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    int m_k;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "model";
    spec.help = config.num_experts > 0
                    ? "The checkpoint's own routing: top " + std::to_string(config.num_experts_per_tok) + " of " +
                          std::to_string(config.num_experts) + " experts" +
                          (config.norm_topk_prob ? ", weights renormalised" : "")
                    : "The checkpoint's own layers; this model has no experts to choose";
    spec.source = "the checkpoint's config.json";
    spec.cost = "the baseline";
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& /*arguments*/, const ModelConfig& config) {
    return std::make_shared<ModelRule>(config);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::model
