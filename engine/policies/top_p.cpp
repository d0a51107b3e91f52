// `top-p`: experts in falling order of probability until their mass passes p ("Harder Tasks Need More Experts in MoE
// Models", arXiv 2403.07652): few for tokens of which the router is sure, many for the others.
#include <algorithm>

#include "engine/error.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::top_p {

namespace {

class TopPRule final : public RowRule {
public:
    TopPRule(double p, int min, int max, kernels::Renormalise renormalise)
        : m_p(p), m_min(min), m_max(max), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_max; }
    void chooseRow(int /*layer*/, RoutedRow& row) const override {
        const std::int32_t ranked = chooseLikeliest(row, m_max);
        if (m_p >= 1.0) return;  // rounding must not decide whether the mass of all experts passes 1
        std::int32_t count = 0;
        double mass = 0.0;
        while (count < ranked && (count < m_min || mass <= m_p))
            mass += static_cast<double>(
                row.probabilities[static_cast<std::size_t>(row.ids[static_cast<std::size_t>(count++)])]);
        keepFirst(row, count);
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    double m_p;
    int m_min;
    int m_max;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    const auto experts = static_cast<double>(config.num_experts);
    PolicySpec spec;
    spec.name = "top-p";
    spec.help =
        "The likeliest experts until their probabilities sum to more than p: few for tokens of which the router is "
        "sure, "
        "many for the others";
    spec.source = "arXiv 2403.07652; there without renormalisation, on models trained for it";
    spec.cost = "weights read follow the number of experts, which varies by token and layer";
    spec.parameters = {{.key = "p",
                        .type = ParameterType::kNumber,
                        .minimum = 0.0,
                        .maximum = 1.0,
                        .default_value = "0.4",
                        .help = "Probability that the chosen experts must pass together; 1: all experts",
                        .always_shown = true},
                       {.key = "min",
                        .type = ParameterType::kInteger,
                        .minimum = 1.0,
                        .maximum = experts,
                        .default_value = "1",
                        .help = "Experts that every token gets"},
                       {.key = "max",
                        .type = ParameterType::kInteger,
                        .minimum = 1.0,
                        .maximum = experts,
                        .default_value = std::to_string(config.num_experts),
                        .help = "Experts that no token gets more of"},
                       renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    const auto [min, max] = countRange(arguments);
    return std::make_shared<TopPRule>(arguments.number("p"), min, max, arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::top_p
