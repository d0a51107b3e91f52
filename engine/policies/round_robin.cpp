// `round-robin`: experts in turn by position, the evenest load there is.
#include <algorithm>

#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"

namespace mixoscope::policies::round_robin {

namespace {

class RoundRobinRule final : public RowRule {
public:
    RoundRobinRule(int k, kernels::Renormalise renormalise) : m_k(k), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_k; }
    void chooseRow(int /*layer*/, RoutedRow& row) const override {
        const std::int32_t candidates = candidateCount(row);
        const std::int32_t count = std::min(m_k, candidates);
        std::ranges::fill(row.ids, -1);
        for (std::int32_t slot = 0; slot < count; ++slot)
            row.ids[static_cast<std::size_t>(slot)] =
                candidateAt(row, static_cast<std::int32_t>((row.position * count + slot) % candidates));
        kernels::sortByRank(row.probabilities, row.ids.first(static_cast<std::size_t>(count)));
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    int m_k;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "round-robin";
    spec.help = "Experts in turn: position 0 gets the first k, position 1 the next k. Their weights are the router's";
    spec.source = "baseline";
    spec.cost = "as top-k; perfectly even load";
    spec.parameters = {countParameter(config), renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<RoundRobinRule>(static_cast<int>(arguments.integer("k")), arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::round_robin
