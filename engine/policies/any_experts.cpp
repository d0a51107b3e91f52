// `any-experts`: as many expert slots as a token is important, some of them virtual. A stand-in without training for
// AnyExperts (arXiv 2511.18314), whose predictor, ranges and weights are not public: what is known of it is that slots
// lie in a fixed range, follow a predicted importance, and that a bounded share of them is virtual.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/dispatch.h"
#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"
#include "engine/router_entropy.h"

namespace mixoscope::policies::any_experts {

namespace {

enum class Importance : std::uint8_t { kSurprisal, kNorm, kConfidence, kUncertainty, kConstant };

/// Ranks a value among those before it, separately for each layer.
struct Windows : RuleState {
    void restart() override { std::ranges::fill(counts, 0); }
    std::size_t length = 0;
    std::vector<float> values;         // (MoE layers, length), a ring each
    std::vector<std::int64_t> counts;  // (MoE layers) values seen

    /// Share of the window's values below this one, an equal one counting half; 1/2 before the first.
    double rank(int layer, float value) {
        const auto index = static_cast<std::size_t>(layer);
        const auto ring = std::span(values).subspan(index * length, length);
        const auto held = static_cast<std::size_t>(std::min<std::int64_t>(counts[index], std::ssize(ring)));
        double below = 0.0;
        for (const float other : ring.first(held)) below += other < value ? 1.0 : other == value ? 0.5 : 0.0;
        ring[static_cast<std::size_t>(counts[index]++) % length] = value;
        return held == 0 ? 0.5 : below / static_cast<double>(held);
    }
};

struct Settings {
    int min = 0;
    int max = 0;
    double virtual_share = 0.0;
    Importance importance = Importance::kSurprisal;
    double constant = 0.5;  // importance of tokens for which there is no measure
    std::size_t window = 64;
    bool absorb = true;
    kernels::Renormalise renormalise = kernels::Renormalise::kYes;
};

class AnyExpertsRule final : public ChoosingRule {
public:
    explicit AnyExpertsRule(const Settings& settings) : m_settings(settings) {}

    int maxSlots() const override { return m_settings.max; }
    RuleView view() const override { return ranks() ? RuleView::kHistory : RuleView::kRow; }
    bool marksNotRun() const override { return m_settings.virtual_share > 0.0; }

    std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const override {
        if (!ranks()) return nullptr;
        auto state = std::make_unique<Windows>();
        state->length = m_settings.window;
        state->values.resize(static_cast<std::size_t>(sizes.layers) * m_settings.window);
        state->counts.assign(static_cast<std::size_t>(sizes.layers), 0);
        return state;
    }

    void choose(int layer, std::span<RoutedRow* const> rows, RuleState* state) const override {
        for (RoutedRow* row : rows) chooseRow(*row, importanceOf(layer, *row, static_cast<Windows*>(state)));
    }

    bool weigh(RoutedRow& row) const override {
        return m_settings.absorb ? weighByProbability(row, m_settings.renormalise)
                                 : weighWithNotRun(row, m_settings.renormalise);
    }

private:
    bool ranks() const {
        const bool moves = m_settings.min < m_settings.max || m_settings.virtual_share > 0.0;
        return moves && (m_settings.importance == Importance::kSurprisal || m_settings.importance == Importance::kNorm);
    }

    /// w in [0, 1].
    double importanceOf(int layer, const RoutedRow& row, Windows* windows) const {
        switch (m_settings.importance) {
            case Importance::kSurprisal:
                return std::isnan(row.logprob) || windows == nullptr ? m_settings.constant
                                                                     : windows->rank(layer, -row.logprob);
            case Importance::kNorm:
                return windows == nullptr ? m_settings.constant : windows->rank(layer, squaredNorm(row.input));
            case Importance::kConfidence:
                return 1.0 - uncertainty(row);
            case Importance::kUncertainty:
                return uncertainty(row);
            case Importance::kConstant:
                break;
        }
        return m_settings.constant;
    }

    /// The router's entropy against that of an even distribution over the experts that can be chosen: what a checkpoint
    /// without the others would have.
    static double uncertainty(const RoutedRow& row) {
        const std::int32_t candidates = candidateCount(row);
        return candidates < 2 ? 0.0 : std::min(1.0, routerEntropy(row) / std::log(static_cast<double>(candidates)));
    }

    static float squaredNorm(std::span<const float> input) {
        return static_cast<float>(std::transform_reduce(input.begin(), input.end(), 0.0, std::plus<>(), [](float x) {
            return static_cast<double>(x) * static_cast<double>(x);
        }));
    }

    void chooseRow(RoutedRow& row, double importance) const {
        const int slots =
            m_settings.min +
            static_cast<int>(std::lround(static_cast<double>(m_settings.max - m_settings.min) * importance));
        const double most_virtual = m_settings.virtual_share * slots;
        const int virtual_slots =
            std::min(static_cast<int>(most_virtual), static_cast<int>(std::lround(most_virtual * (1.0 - importance))));
        const std::int32_t ranked = chooseLikeliest(row, slots);
        for (std::int32_t slot = std::min(ranked, slots - virtual_slots); slot < ranked; ++slot) {
            std::int32_t& id = row.ids[static_cast<std::size_t>(slot)];
            id = notRunId(id);
            row.flags |= layer_flag::kVirtual;
        }
    }

    Settings m_settings;
};

const std::vector<std::string>& importanceNames() {
    static const std::vector<std::string> kNames = {"surprisal", "norm", "confidence", "uncertainty", "constant"};
    return kNames;
}

PolicySpec specFor(const ModelConfig& config) {
    const auto experts = static_cast<double>(config.num_experts);
    const std::int64_t k = config.num_experts_per_tok;
    const std::int64_t spread = std::max<std::int64_t>(1, k / 4);
    PolicySpec spec;
    spec.name = "any-experts";
    spec.help =
        "Between min and max slots for each token by its importance; the weakest slots are virtual: they cost nothing "
        "and "
        "give nothing. The importance is a measured stand-in for AnyExperts' trained predictor, which is not public: "
        "surprisal (-ln P of the token) or norm (of the router's input), each ranked among the last tokens; confidence "
        "or "
        "uncertainty of the router; or constant";
    spec.source = "AnyExperts arXiv 2511.18314, stand-in without training";
    spec.cost = "weights read follow the number of real experts, which varies by token and layer";
    spec.parameters = {
        {.key = "min",
         .type = ParameterType::kInteger,
         .minimum = 1.0,
         .maximum = experts,
         .default_value = std::to_string(std::max<std::int64_t>(1, k - spread)),
         .help = "Slots of the least important token",
         .always_shown = true},
        {.key = "max",
         .type = ParameterType::kInteger,
         .minimum = 1.0,
         .maximum = experts,
         .default_value = std::to_string(std::min(config.num_experts, k + spread)),
         .help = "Slots of the most important token",
         .always_shown = true},
        {.key = "virtual",
         .type = ParameterType::kNumber,
         .minimum = 0.0,
         .maximum = 0.5,
         .default_value = "0.2",
         .help = "Largest share of a token's slots that is virtual"},
        {.key = "importance",
         .type = ParameterType::kChoice,
         .default_value = "surprisal",
         .help = "What stands for a token's importance",
         .choices = importanceNames()},
        {.key = "constant",
         .type = ParameterType::kNumber,
         .minimum = 0.0,
         .maximum = 1.0,
         .default_value = "0.5",
         .help = "Importance where there is no measure: with surprisal that is the prompt and injected text"},
        {.key = "window",
         .type = ParameterType::kInteger,
         .minimum = 1.0,
         .maximum = 4096.0,
         .default_value = "64",
         .help = "Tokens among which surprisal and norm are ranked"},
        {.key = "share",
         .type = ParameterType::kChoice,
         .default_value = "absorb",
         .help = "The virtual slots' share of the weights: absorbed by the real ones, or lost (damp)",
         .choices = {"absorb", "damp"}},
        renormaliseParameter(config)};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    const auto [min, max] = countRange(arguments);
    const auto importance = std::ranges::find(importanceNames(), arguments.text("importance"));
    return std::make_shared<AnyExpertsRule>(
        Settings{.min = min,
                 .max = max,
                 .virtual_share = arguments.number("virtual"),
                 .importance = static_cast<Importance>(importance - importanceNames().begin()),
                 .constant = arguments.number("constant"),
                 .window = static_cast<std::size_t>(arguments.integer("window")),
                 .absorb = arguments.text("share") == "absorb",
                 .renormalise = arguments.renormalise("renorm")});
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::any_experts
