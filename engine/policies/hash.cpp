// `hash`: the same k experts for every occurrence of a token (Hash Layers, arXiv 2106.04426).
#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"

namespace mixoscope::policies::hash {

namespace {

constexpr std::uint32_t kPurpose = 2;

std::uint64_t subjectOf(const RoutedRow& row) {
    return static_cast<std::uint64_t>(row.token);
}

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "hash";
    spec.help =
        "k experts that a token's id decides, other ones in each layer; their weights are the router's. The same token "
        "gets the same experts wherever it stands";
    spec.source = "Hash Layers arXiv 2106.04426";
    spec.cost = "as top-k";
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

}  // namespace mixoscope::policies::hash
