// `random`: k experts drawn anew for every token and layer: what a router is worth shows against it.
#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"

namespace mixoscope::policies::random {

namespace {

class RandomRule final : public RowRule {
public:
    RandomRule(int k, std::uint64_t seed, kernels::Renormalise renormalise)
        : m_k(k), m_seed(seed), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_k; }
    void chooseRow(int layer, RoutedRow& row) const override {
        constexpr std::uint32_t kPurpose = 1;
        chooseAtRandom(row, m_k,
                       {.seed = m_seed,
                        .subject = static_cast<std::uint64_t>(row.position),
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
    spec.name = "random";
    spec.help =
        "k experts drawn anew for every position and layer, each set equally likely; their weights are the router's. "
        "The draw depends on seed, position and layer alone";
    spec.source = "baseline";
    spec.cost = "as top-k; perfectly even load in the long run";
    spec.parameters = {countParameter(config), seedParameter(), renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<RandomRule>(static_cast<int>(arguments.integer("k")),
                                        static_cast<std::uint64_t>(arguments.integer("seed")),
                                        arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::random
