// `entropy`: as many experts as the router's distribution is wide. Our own definition, in the spirit of routers that
// set the count by gating entropy (GeMoE, arXiv 2606.26287; DynMoLE, 2504.00661).
#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/policies/policy_kind.h"
#include "engine/router_entropy.h"

namespace mixoscope::policies::entropy {

namespace {

/// k = clamp(round(scale · n^exponent)), n = exp(H) the number of experts that an even distribution of the same entropy
/// would have.
class Count {
public:
    Count(double exponent, int min, int max) : m_exponent(exponent), m_min(min), m_max(max) {}
    int of(double scale, double entropy) const {
        const double count = std::round(scale * std::exp(m_exponent * entropy));
        return static_cast<int>(std::clamp(count, static_cast<double>(m_min), static_cast<double>(m_max)));
    }
    int max() const { return m_max; }
    /// The scale at which an even distribution gets the most experts.
    double scaleFor(std::int64_t experts) const {
        return static_cast<double>(m_max) / std::pow(static_cast<double>(experts), m_exponent);
    }
    /// The scale at which the mean count over the measured entropies is nearest to the target.
    double scaleFor(double target, const UnitHistogram& entropies, std::int64_t experts) const {
        const double log_experts = std::log(static_cast<double>(experts));
        double low = 0.0;
        double high = static_cast<double>(m_max) + 1.0;
        for (int round = 0; round < 60; ++round) {
            const double middle = 0.5 * (low + high);
            const double mean =
                entropies.mean([&](double entropy) { return static_cast<double>(of(middle, entropy * log_experts)); });
            (mean < target ? low : high) = middle;
        }
        return high;
    }

private:
    double m_exponent;
    int m_min;
    int m_max;
};

class EntropyRule final : public RowRule {
public:
    EntropyRule(Count count, std::vector<double> scales, kernels::Renormalise renormalise)
        : m_count(count), m_scales(std::move(scales)), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_count.max(); }
    void chooseRow(int layer, RoutedRow& row) const override {
        const std::int32_t ranked = chooseLikeliest(row, m_count.max());
        const double entropy = routerEntropy(row);
        keepFirst(row, std::min(ranked, m_count.of(m_scales[static_cast<std::size_t>(layer)], entropy)));
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    Count m_count;
    std::vector<double> m_scales;  // (MoE layers)
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    const auto experts = static_cast<double>(config.num_experts);
    const std::int64_t k = config.num_experts_per_tok;
    PolicySpec spec;
    spec.name = "entropy";
    spec.help =
        "As many experts as the router is unsure: k = scale · exp(H)^exponent, H the entropy of the router's "
        "distribution. With a calibration each layer's scale is set so that the mean is `target`";
    spec.source = "own definition; related: GeMoE arXiv 2606.26287, DynMoLE 2504.00661";
    spec.cost = "weights read follow the number of experts, which varies by token and layer";
    spec.calibrated = true;
    spec.parameters = {
        {.key = "min",
         .type = ParameterType::kInteger,
         .minimum = 1.0,
         .maximum = experts,
         .default_value = std::to_string(std::min<std::int64_t>(2, k)),
         .help = "Experts that every token gets",
         .always_shown = true},
        {.key = "max",
         .type = ParameterType::kInteger,
         .minimum = 1.0,
         .maximum = experts,
         .default_value = std::to_string(std::min(config.num_experts, 2 * k)),
         .help = "Experts that no token gets more of",
         .always_shown = true},
        {.key = "exponent",
         .type = ParameterType::kNumber,
         .minimum = 0.0,
         .maximum = 4.0,
         .default_value = "1",
         .help = "Below 1 the many unlikely experts count for less"},
        {.key = "scale",
         .type = ParameterType::kNumber,
         .minimum = 0.0,
         .maximum = 10000.0,
         .default_value = "auto",
         .help = "auto: from the calibration, or, without one, such that an even distribution gets `max` experts",
         .also = "auto"},
        {.key = "target",
         .type = ParameterType::kNumber,
         .minimum = 1.0,
         .maximum = experts,
         .default_value = std::to_string(k),
         .help = "Mean number of experts a token that the calibrated scale aims at"},
        renormaliseParameter(config),
        calibrationParameter(),
    };
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& config) {
    const auto [min, max] = countRange(arguments);
    const Count count(arguments.number("exponent"), min, max);
    std::vector<double> scales(static_cast<std::size_t>(config.moeLayerCount()));
    for (std::size_t layer = 0; layer < scales.size(); ++layer) {
        if (arguments.text("scale") != "auto") {
            scales[layer] = arguments.number("scale");
        } else if (arguments.calibration) {
            scales[layer] = count.scaleFor(arguments.number("target"), arguments.calibration->layers[layer].entropy,
                                           config.num_experts);
        } else {
            scales[layer] = count.scaleFor(config.num_experts);
        }
    }
    return std::make_shared<EntropyRule>(count, std::move(scales), arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::entropy
