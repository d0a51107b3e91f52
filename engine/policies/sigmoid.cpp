// `sigmoid`: experts scored by themselves, chosen from the best groups, as DeepSeek-V3 does (arXiv 2412.19437), here on
// a router that was trained for softmax.
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::sigmoid {

namespace {

struct Scores : RuleState {
    void restart() override {}
    std::vector<float> experts;  // negative: not in the choice
    std::vector<float> groups;
    std::vector<std::int32_t> ranked;  // groups, the best first
};

float sigmoidOf(float logit) {
    return 1.0F / (1.0F + std::exp(-logit));
}

class SigmoidRule final : public ChoosingRule {
public:
    SigmoidRule(int k, int groups, int kept, float scale, kernels::Renormalise renormalise)
        : m_k(k), m_groups(groups), m_kept(kept), m_scale(scale), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_k; }
    RuleView view() const override { return RuleView::kRow; }

    std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const override {
        auto state = std::make_unique<Scores>();
        state->experts.resize(static_cast<std::size_t>(sizes.experts));
        state->groups.resize(static_cast<std::size_t>(m_groups));
        state->ranked.resize(static_cast<std::size_t>(m_groups));
        return state;
    }

    void choose(int /*layer*/, std::span<RoutedRow* const> rows, RuleState* state) const override {
        for (RoutedRow* row : rows) chooseRow(*row, static_cast<Scores&>(*state));
    }

    bool weigh(RoutedRow& row) const override {
        const std::span<const std::int32_t> running = runningIds(row);
        double sum = 0.0;
        std::ranges::fill(row.weights, 0.0F);
        for (std::size_t slot = 0; slot < running.size(); ++slot) {
            row.weights[slot] = sigmoidOf(row.logits[static_cast<std::size_t>(running[slot])]);
            sum += static_cast<double>(row.weights[slot]);
        }
        const bool normed = m_renormalise == kernels::Renormalise::kYes && sum > 0.0;
        for (float& weight : row.weights.first(running.size()))
            weight = static_cast<float>(static_cast<double>(weight) / (normed ? sum : 1.0)) * m_scale;
        return normed && m_scale == 1.0F;
    }

private:
    void chooseRow(RoutedRow& row, Scores& scores) const {
        for (std::size_t expert = 0; expert < scores.experts.size(); ++expert)
            scores.experts[expert] = row.probabilities[expert] < 0.0F ? -1.0F : sigmoidOf(row.logits[expert]);
        const std::size_t size = scores.experts.size() / scores.groups.size();
        const auto group = [&](std::size_t index) { return std::span(scores.experts).subspan(index * size, size); };
        for (std::size_t index = 0; index < scores.groups.size(); ++index) scores.groups[index] = bestTwo(group(index));
        kernels::rankExperts(scores.groups, scores.ranked);
        for (std::size_t rank = static_cast<std::size_t>(m_kept); rank < scores.ranked.size(); ++rank)
            std::ranges::fill(group(static_cast<std::size_t>(scores.ranked[rank])), -1.0F);
        std::ranges::fill(row.ids, -1);
        const auto places = row.ids.first(static_cast<std::size_t>(m_k));
        const std::int32_t count = kernels::rankExperts(scores.experts, places);
        kernels::sortByRank(row.probabilities, places.first(static_cast<std::size_t>(count)));
    }

    /// Sum of the two best scores of a group.
    static float bestTwo(std::span<const float> scores) {
        float best = 0.0F;
        float second = 0.0F;
        for (const float score : scores) {
            if (score > best) {
                second = best;
                best = score;
            } else {
                second = std::max(second, score);
            }
        }
        return best + second;
    }

    int m_k;
    int m_groups;
    int m_kept;
    float m_scale;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    const auto experts = static_cast<double>(config.num_experts);
    PolicySpec spec;
    spec.name = "sigmoid";
    spec.help =
        "Experts scored one by one with a sigmoid instead of a softmax, the k best of the best groups; a group's score "
        "is the sum of its two best. What-if: these weights were trained for a softmax";
    spec.source = "DeepSeek-V3 arXiv 2412.19437, without its learned bias";
    spec.cost = "as top-k";
    spec.parameters = {countParameter(config),
                       {.key = "groups",
                        .type = ParameterType::kInteger,
                        .minimum = 1.0,
                        .maximum = experts,
                        .default_value = "1",
                        .help = "Groups of neighbouring experts; must divide their number"},
                       {.key = "kept",
                        .type = ParameterType::kInteger,
                        .minimum = 1.0,
                        .maximum = experts,
                        .default_value = "1",
                        .help = "Groups that experts may come from"},
                       {.key = "scale",
                        .type = ParameterType::kNumber,
                        .minimum = 0.0,
                        .maximum = 100.0,
                        .default_value = "1",
                        .help = "Factor on all weights (DeepSeek-V3: 2.5)"},
                       renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& config) {
    const std::int64_t groups = arguments.integer("groups");
    const std::int64_t kept = arguments.integer("kept");
    const std::int64_t k = arguments.integer("k");
    if (config.num_experts % groups != 0)
        throw Error({.what = "groups must be of one size",
                     .where = "groups",
                     .expected = "a divisor of " + std::to_string(config.num_experts),
                     .found = std::to_string(groups)});
    if (kept > groups)
        throw Error({.what = "more groups are kept than there are",
                     .where = "kept",
                     .expected = "at most " + std::to_string(groups),
                     .found = std::to_string(kept)});
    const std::int64_t room = kept * (config.num_experts / groups);
    if (k > room)
        throw Error({.what = "the kept groups have too few experts",
                     .where = "k",
                     .expected = "at most " + std::to_string(room),
                     .found = std::to_string(k)});
    return std::make_shared<SigmoidRule>(static_cast<int>(k), static_cast<int>(groups), static_cast<int>(kept),
                                         static_cast<float>(arguments.number("scale")),
                                         arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::sigmoid
