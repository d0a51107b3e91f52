// `hash`: the same k experts for every occurrence of a token (Hash Layers, arXiv 2106.04426).
#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"

namespace mixoscope::policies::hash {

namespace {

class HashRule final : public RowRule {
public:
    HashRule(int k, std::uint64_t seed, kernels::Renormalise renormalise)
        : m_k(k), m_seed(seed), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_k; }
    void chooseRow(int layer, RoutedRow& row) const override {
        constexpr std::uint32_t kPurpose = 2;
        chooseAtRandom(row, m_k,
                       {.seed = m_seed,
                        .subject = static_cast<std::uint64_t>(row.token),
                        .layer = static_cast<std::uint32_t>(layer),
                        .purpose = kPurpose});
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    int m_k;
    std::uint64_t m_seed;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "hash";
    spec.help =
        "k experts that a token's id decides, other ones in each layer; their weights are the router's. The same token "
        "gets the same experts wherever it stands";
    spec.source = "Hash Layers arXiv 2106.04426";
    spec.cost = "as top-k";
    spec.parameters = {countParameter(config), seedParameter(), renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<HashRule>(static_cast<int>(arguments.integer("k")),
                                      static_cast<std::uint64_t>(arguments.integer("seed")),
                                      arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::hash
