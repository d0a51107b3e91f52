// `ban`: experts that must not be chosen; their logits become −∞, as if the router had no row for them.
#include "engine/expert_mask.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::ban {

namespace {

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "ban";
    spec.help = "Takes experts out of the choice, as if the router did not have them";
    spec.source = "edit by hand";
    spec.cost = "none";
    spec.role = PolicyRole::kEdits;
    spec.parameters = {expertsParameter(config)};
    return spec;
}

std::shared_ptr<const EditRule> makeEdit(const PolicyArguments& arguments, const ModelConfig& config) {
    ExpertMask::Experts removed(static_cast<std::size_t>(config.moeLayerCount()), arguments.list("experts"));
    return std::make_shared<ExpertMask>(std::move(removed));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .edit = makeEdit};
}

}  // namespace mixoscope::policies::ban
