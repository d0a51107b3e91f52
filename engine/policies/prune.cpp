// `prune`: experts removed for good, by a list or by how little a calibration says they do (scores as compared in REAP,
// arXiv 2510.13999). As a mask it can be taken back at any token; what it chooses equals a checkpoint without these
// experts.
#include <algorithm>
#include <numeric>

#include "engine/error.h"
#include "engine/expert_mask.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::prune {

namespace {

/// The `count` experts with the lowest scores, ascending; of equal ones the higher ids go first.
std::vector<std::int32_t> lowest(const std::vector<double>& scores, std::size_t count) {
    std::vector<std::int32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, [&](std::int32_t a, std::int32_t b) {
        const double first = scores[static_cast<std::size_t>(a)];
        const double second = scores[static_cast<std::size_t>(b)];
        return first != second ? first < second : a > b;
    });
    order.resize(count);
    std::ranges::sort(order);
    return order;
}

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "prune";
    spec.help =
        "Removes experts: those listed, and, by a calibration, the same share of each layer's with the lowest score. "
        "reap: mean of weight times output norm over an expert's tokens; frequency, weighted-frequency: how often, "
        "with "
        "what weight it was chosen; ean, ean-mean, weighted-ean: sum or mean of output norms";
    spec.source = "REAP arXiv 2510.13999; NAEE 2402.14800, its mask in the router without its search by reconstruction";
    spec.cost = "no time while decoding; a checkpoint without the experts would be smaller by their share";
    spec.role = PolicyRole::kEdits;
    spec.calibrated = true;
    ParameterSpec experts = expertsParameter(config);
    experts.default_value = experts.also = "none";
    std::vector<std::string> scores(pruneScoreNames().begin(), pruneScoreNames().end());
    spec.parameters = {std::move(experts),
                       {.key = "share",
                        .type = ParameterType::kNumber,
                        .minimum = 0.0,
                        .maximum = 1.0,
                        .default_value = "0",
                        .help = "Share of each layer's experts to remove by the calibration (rounded down)"},
                       {.key = "score",
                        .type = ParameterType::kChoice,
                        .default_value = "reap",
                        .help = "What the calibration's experts are ranked by",
                        .choices = std::move(scores)},
                       calibrationParameter()};
    return spec;
}

std::shared_ptr<const EditRule> makeEdit(const PolicyArguments& arguments, const ModelConfig& config) {
    ExpertMask::Experts removed(static_cast<std::size_t>(config.moeLayerCount()), arguments.list("experts"));
    const double share = arguments.number("share");
    if (share > 0.0 && !arguments.calibration)
        throw Error({.what = "removing a share of the experts takes a calibration",
                     .where = "share",
                     .expected = "calibration=FILE, made by mixoscope calibrate",
                     .found = "none"});
    if (share > 0.0) {
        constexpr double kRounding = 1e-9;
        const auto count = static_cast<std::size_t>(share * static_cast<double>(config.num_experts) + kRounding);
        for (std::size_t layer = 0; layer < removed.size(); ++layer) {
            const std::vector<std::int32_t> more =
                lowest(pruneScores(arguments.calibration->layers[layer], arguments.text("score")), count);
            std::vector<std::int32_t> all;
            std::ranges::set_union(removed[layer], more, std::back_inserter(all));
            removed[layer] = std::move(all);
        }
    }
    return std::make_shared<ExpertMask>(std::move(removed));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .edit = makeEdit};
}

}  // namespace mixoscope::policies::prune
