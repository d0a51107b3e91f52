// `force`: experts that every token gets, in place of the least likely of those chosen.
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::force {

namespace {

class Force final : public EditRule {
public:
    explicit Force(std::vector<std::int32_t> experts) : m_experts(std::move(experts)) {}
    std::span<const std::int32_t> forced(int /*layer*/) const override { return m_experts; }

private:
    std::vector<std::int32_t> m_experts;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "force";
    spec.help =
        "Gives every token these experts, in place of the least likely ones that were chosen for it, so that their "
        "number "
        "stays; with their own router weights";
    spec.source = "edit by hand";
    spec.cost = "none";
    spec.role = PolicyRole::kEdits;
    spec.parameters = {expertsParameter(config)};
    return spec;
}

std::shared_ptr<const EditRule> makeEdit(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<Force>(arguments.list("experts"));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .edit = makeEdit};
}

}  // namespace mixoscope::policies::force
