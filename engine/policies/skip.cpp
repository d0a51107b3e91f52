// `skip`: the last of the k experts are left out where they are unlikely against the first (dynamic expert skipping of
// "Not All Experts are Equal", arXiv 2402.14800, defined there for k = 2; for more experts this stops at the first one
// below the threshold).
#include "engine/error.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::skip {

namespace {

class SkipRule final : public RowRule {
public:
    SkipRule(int k, int min, std::vector<double> betas, kernels::Renormalise renormalise)
        : m_k(k), m_min(min), m_betas(std::move(betas)), m_renormalise(renormalise) {}

    int maxSlots() const override { return m_k; }
    void chooseRow(int layer, RoutedRow& row) const override {
        const std::int32_t ranked = chooseLikeliest(row, m_k);
        const auto probability = [&](std::int32_t rank) {
            return static_cast<double>(
                row.probabilities[static_cast<std::size_t>(row.ids[static_cast<std::size_t>(rank)])]);
        };
        std::int32_t count = std::min(m_min, ranked);  // fewer where edits leave fewer
        const double threshold = ranked > 0 ? m_betas[static_cast<std::size_t>(layer)] * probability(0) : 0.0;
        while (count < ranked && probability(count) >= threshold) ++count;
        keepFirst(row, count);
    }
    bool weigh(RoutedRow& row) const override { return weighByProbability(row, m_renormalise); }

private:
    int m_k;
    int m_min;
    std::vector<double> m_betas;  // (MoE layers)
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "skip";
    spec.help =
        "The k likeliest experts, without those less likely than beta times the first. With a calibration each layer "
        "has a beta of its own: the value below which the share `quantile` of the tokens has its last expert";
    spec.source = "NAEE arXiv 2402.14800, generalised from k = 2";
    spec.cost = "saves the weights of skipped experts while decoding, only arithmetic in the prompt";
    spec.calibrated = true;
    spec.parameters = {{.key = "beta",
                        .type = ParameterType::kNumber,
                        .minimum = 0.0,
                        .maximum = 1.0,
                        .default_value = "auto",
                        .help = "Smallest ratio to the first expert's probability; auto: from the calibration, or 0.5",
                        .also = "auto"},
                       countParameter(config),
                       {.key = "min",
                        .type = ParameterType::kInteger,
                        .minimum = 1.0,
                        .maximum = static_cast<double>(config.num_experts),
                        .default_value = "1",
                        .help = "Experts that are never skipped, at most k"},
                       {.key = "quantile",
                        .type = ParameterType::kNumber,
                        .minimum = 0.0,
                        .maximum = 1.0,
                        .default_value = "0.5",
                        .help = "Share of the calibration's tokens that skip their last expert"},
                       renormaliseParameter(config),
                       calibrationParameter()};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& config) {
    const std::int64_t k = arguments.integer("k");
    const std::int64_t min = arguments.integer("min");
    if (min > k)
        throw Error({.what = "more are never skipped than are chosen",
                     .where = "min",
                     .expected = "at most k, " + std::to_string(k),
                     .found = std::to_string(min)});
    constexpr double kUncalibrated = 0.5;
    std::vector<double> betas(static_cast<std::size_t>(config.moeLayerCount()), kUncalibrated);
    for (std::size_t layer = 0; layer < betas.size(); ++layer) {
        if (arguments.text("beta") != "auto") {
            betas[layer] = arguments.number("beta");
        } else if (arguments.calibration) {
            betas[layer] = arguments.calibration->layers[layer].last_to_first.quantile(arguments.number("quantile"));
        }
    }
    return std::make_shared<SkipRule>(static_cast<int>(k), static_cast<int>(min), std::move(betas),
                                      arguments.renormalise("renorm"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::skip
