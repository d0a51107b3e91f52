// `expert-choice`: each expert takes the tokens of the step that it is likeliest for (arXiv 2202.09368).
#include <algorithm>

#include "engine/dispatch.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::expert_choice {

namespace {

struct Takers : RuleState {
    void restart() override {}
    std::vector<RoutedRow*> rows;  // candidates of one expert
};

class ExpertChoiceRule final : public ChoosingRule {
public:
    ExpertChoiceRule(double capacity, int own_k, int experts, kernels::Renormalise renormalise)
        : m_capacity(capacity), m_own_k(own_k), m_experts(experts), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_experts; }
    RuleView view() const override { return RuleView::kStep; }

    std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const override {
        auto state = std::make_unique<Takers>();
        state->rows.reserve(static_cast<std::size_t>(sizes.rows));
        return state;
    }

    void choose(int /*layer*/, std::span<RoutedRow* const> rows, RuleState* state) const override {
        const double share = m_capacity * static_cast<double>(m_own_k) * static_cast<double>(rows.size()) /
                             static_cast<double>(m_experts);
        if (share < 1.0) {
            for (RoutedRow* row : rows) chooseLikeliest(*row, m_own_k);
            return;
        }
        const auto taken = static_cast<std::size_t>(
            std::min<std::int64_t>(std::ssize(rows), expertCapacity(m_capacity, m_own_k, std::ssize(rows), m_experts)));
        auto& takers = static_cast<Takers&>(*state);
        for (RoutedRow* row : rows) std::ranges::fill(row->ids, -1);
        for (std::int32_t expert = 0; expert < m_experts; ++expert) take(expert, taken, rows, takers);
        for (RoutedRow* row : rows) kernels::sortByRank(row->probabilities, runningIds(*row));
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    static void take(std::int32_t expert, std::size_t count, std::span<RoutedRow* const> rows, Takers& takers) {
        const auto probability = [&](const RoutedRow* row) {
            return row->probabilities[static_cast<std::size_t>(expert)];
        };
        takers.rows.clear();
        for (RoutedRow* row : rows) {
            if (!(probability(row) < 0.0F)) takers.rows.push_back(row);
        }
        count = std::min(count, takers.rows.size());
        const auto prefers = [&](const RoutedRow* a, const RoutedRow* b) {
            return probability(a) != probability(b) ? probability(a) > probability(b) : a->position < b->position;
        };
        std::ranges::nth_element(takers.rows, takers.rows.begin() + static_cast<std::ptrdiff_t>(count), prefers);
        for (RoutedRow* row : std::span(takers.rows).first(count)) row->ids[runningIds(*row).size()] = expert;
    }

    double m_capacity;
    int m_own_k;
    int m_experts;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "expert-choice";
    spec.help =
        "Each expert takes the capacity · k · T / N tokens of a step (rounded up) that it is likeliest for, k the "
        "checkpoint's own; a token can get no expert at all, or many. Looks at later tokens of the prompt, and depends "
        "on "
        "how the prompt is cut into steps. Where an expert's share is less than one token, as it is while decoding, "
        "the "
        "checkpoint's own choice is made";
    spec.source = "arXiv 2202.09368, which warns against it in language models; there without renormalisation";
    spec.cost = "perfectly even load in the prompt; traces as wide as there are experts";
    spec.parameters = {{.key = "capacity",
                        .type = ParameterType::kNumber,
                        .minimum = 0.01,
                        .maximum = static_cast<double>(std::max<std::int64_t>(config.num_experts, 1)),
                        .default_value = "1",
                        .help = "Tokens that an expert takes, in units of its even share",
                        .always_shown = true},
                       renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& config) {
    return std::make_shared<ExpertChoiceRule>(arguments.number("capacity"),
                                              static_cast<int>(config.num_experts_per_tok),
                                              static_cast<int>(config.num_experts), arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::expert_choice
