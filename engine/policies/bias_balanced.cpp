// `bias-balanced`: a bias on each expert that falls with every token it gets and steers selection alone
// (auxiliary-loss-free balancing, arXiv 2408.15664; there in training, here while the lane runs).
#include <algorithm>

#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::bias_balanced {

namespace {

struct Loads : RuleState {
    void restart() override { std::ranges::fill(counts, 0); }
    std::vector<std::int64_t> counts;  // (MoE layers, experts) selections since the lane began
    std::vector<float> scores;         // (experts)
};

class BiasBalancedRule final : public ChoosingRule {
public:
    BiasBalancedRule(int k, double rate, kernels::Renormalise renormalise)
        : m_k(k), m_rate(rate), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_k; }
    RuleView view() const override { return RuleView::kHistory; }

    std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const override {
        auto state = std::make_unique<Loads>();
        state->counts.assign(static_cast<std::size_t>(sizes.layers * sizes.experts), 0);
        state->scores.resize(static_cast<std::size_t>(sizes.experts));
        return state;
    }

    void choose(int layer, std::span<RoutedRow* const> rows, RuleState* state) const override {
        auto& loads = static_cast<Loads&>(*state);
        const std::size_t experts = loads.scores.size();
        const auto counts = std::span(loads.counts).subspan(static_cast<std::size_t>(layer) * experts, experts);
        for (RoutedRow* row : rows) chooseRow(*row, counts, loads.scores);
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    /// After each token b_e += rate · sign(mean c − c_e), c being 1 for the chosen and 0 for the others: over t tokens
    /// that is rate · (t − 2 Σc), and what all experts have in common changes no choice.
    void chooseRow(RoutedRow& row, std::span<std::int64_t> counts, std::span<float> scores) const {
        const std::int64_t most = *std::ranges::max_element(counts);
        for (std::size_t expert = 0; expert < scores.size(); ++expert) {
            const float probability = row.probabilities[expert];
            const auto bias = static_cast<float>(2.0 * m_rate * static_cast<double>(most - counts[expert]));
            scores[expert] = probability < 0.0F ? probability : probability + bias;
        }
        std::ranges::fill(row.ids, -1);
        const auto places = row.ids.first(static_cast<std::size_t>(m_k));
        const auto chosen = places.first(static_cast<std::size_t>(kernels::rankExperts(scores, places)));
        for (const std::int32_t id : chosen) ++counts[static_cast<std::size_t>(id)];
        kernels::sortByRank(row.probabilities, chosen);
    }

    int m_k;
    double m_rate;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "bias-balanced";
    spec.help =
        "The k likeliest experts after a bias, which falls by rate for an expert that a token got and rises for the "
        "others. The bias steers the choice only; the weights are the router's. Each lane balances its own load";
    spec.source = "arXiv 2408.15664 (there in training; DeepSeek-V3 2412.19437)";
    spec.cost = "as top-k; load evens out over the lane's tokens";
    spec.parameters = {countParameter(config),
                       {.key = "rate",
                        .type = ParameterType::kNumber,
                        .minimum = 0.0,
                        .maximum = 1.0,
                        .default_value = "0.001",
                        .help = "Change of the bias with each token; 0: no balancing"},
                       renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<BiasBalancedRule>(static_cast<int>(arguments.integer("k")), arguments.number("rate"),
                                              arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::bias_balanced
