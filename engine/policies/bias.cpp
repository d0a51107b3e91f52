// `bias`: a number added to experts' router logits, before softmax and choice.
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::bias {

namespace {

class Bias final : public EditRule {
public:
    Bias(std::vector<std::int32_t> experts, float added) : m_experts(std::move(experts)), m_added(added) {}
    void adjust(int /*layer*/, RoutedRow& row) const override {
        for (const std::int32_t expert : m_experts) row.logits[static_cast<std::size_t>(expert)] += m_added;
    }

private:
    std::vector<std::int32_t> m_experts;
    float m_added;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "bias";
    spec.help =
        "Adds a number to experts' router logits, so that they are chosen more or less often and weigh more or less";
    spec.source = "edit by hand";
    spec.cost = "none";
    spec.role = PolicyRole::kEdits;
    spec.parameters = {expertsParameter(config),
                       {.key = "add",
                        .type = ParameterType::kNumber,
                        .minimum = -100.0,
                        .maximum = 100.0,
                        .default_value = "1",
                        .help = "Added to the logits; 0 changes nothing",
                        .always_shown = true}};
    return spec;
}

std::shared_ptr<const EditRule> makeEdit(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<Bias>(arguments.list("experts"), static_cast<float>(arguments.number("add")));
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .edit = makeEdit};
}

}  // namespace mixoscope::policies::bias
