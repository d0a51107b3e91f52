// `random`: k experts drawn anew for every token and layer: what a router is worth shows against it.
#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"

namespace mixoscope::policies::random {

namespace {

constexpr std::uint32_t kPurpose = 1;

std::uint64_t subjectOf(const RoutedRow& row) {
    return static_cast<std::uint64_t>(row.position);
}

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
    return std::make_shared<DrawnRule>(static_cast<int>(arguments.integer("k")), arguments.renormalise("renorm"),
                                       static_cast<std::uint64_t>(arguments.integer("seed")), kPurpose, subjectOf);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::random
