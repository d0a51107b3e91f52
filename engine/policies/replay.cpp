// `replay`: executes the routing that a session recorded, experts and weights alike, by position. What was not recorded
// gets the checkpoint's own rule. With the same tokens before it a row has the recorded bits, whatever policy made
// them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/policies/policy_kind.h"
#include "engine/recorded_routing.h"

namespace mixoscope::policies::replay {

namespace {

/// Weights that weigh() is to make from the router's probabilities: those recorded belong to other experts.
constexpr float kToBeWeighed = std::numeric_limits<float>::quiet_NaN();

class ReplayRule final : public RowRule {
public:
    ReplayRule(std::shared_ptr<const RecordedRouting> recorded, const ModelConfig& config)
        : m_recorded(std::move(recorded)),
          m_k(static_cast<int>(config.num_experts_per_tok)),
          m_renormalise(config.norm_topk_prob ? kernels::Renormalise::kYes : kernels::Renormalise::kNo) {}

    int maxSlots() const override {
        return m_recorded ? std::max(m_k, static_cast<int>(m_recorded->shape().slots)) : m_k;
    }
    bool marksNotRun() const override { return m_recorded != nullptr; }

    void chooseRow(int layer, RoutedRow& row) const override {
        if (m_recorded && m_recorded->has(row.position)) return repeat(layer, row);
        chooseLikeliest(row, m_k);
        row.weights.front() = kToBeWeighed;
    }

    bool weigh(RoutedRow& row) const override {
        const bool recorded = !std::isnan(row.weights.front()) && (row.flags & layer_flag::kForced) == 0;
        if (!recorded) return weighWithNotRun(row, m_renormalise);
        double sum = 0.0;
        for (const float weight : row.weights) sum += static_cast<double>(weight);
        return std::abs(sum - 1.0) < kRounding;
    }

private:
    static constexpr double kRounding = 1e-5;

    void repeat(int layer, RoutedRow& row) const {
        const auto ids = m_recorded->ids(row.position, layer);
        const auto weights = m_recorded->weights(row.position, layer);
        std::ranges::fill(row.ids, -1);
        std::ranges::fill(row.weights, 0.0F);
        std::size_t slot = 0;
        for (std::size_t at = 0; at < ids.size() && ids[at] != -1; ++at) {
            const std::int32_t expert = isNotRun(ids[at]) ? notRunId<std::int32_t>(ids[at]) : ids[at];
            const bool removed = row.probabilities[static_cast<std::size_t>(expert)] < 0.0F;
            if (removed) continue;  // by an edit that acts as well
            row.ids[slot] = ids[at];
            row.weights[slot++] = weights[at];
        }
        row.flags =
            static_cast<std::uint8_t>(row.flags | (m_recorded->flags(row.position, layer) & layer_flag::kVirtual));
        const auto recorded = std::ranges::find(ids, std::int16_t{-1}) - ids.begin();
        if (std::cmp_less(slot, recorded)) row.weights.front() = kToBeWeighed;
    }

    std::shared_ptr<const RecordedRouting> m_recorded;  // null: none was named
    int m_k;
    kernels::Renormalise m_renormalise;
};

PolicySpec specFor(const ModelConfig& /*config*/) {
    PolicySpec spec;
    spec.name = "replay";
    spec.help =
        "Executes the routing that a session recorded of a lane, experts and weights, position by position; what it "
        "did "
        "not record is routed by the checkpoint's own rule";
    spec.source = "a recorded session";
    spec.cost = "that of the recorded routing";
    spec.parameters = {
        {.key = "session",
         .type = ParameterType::kFile,
         .default_value = "none",
         .help = "Session file (.mixo) of a model with the same layers and experts",
         .also = "none"},
        {.key = "lane",
         .type = ParameterType::kInteger,
         .minimum = 0.0,
         .maximum = 1000000.0,
         .default_value = "0",
         .help = "Which of its lanes: 0 is the conversation; lanes.csv of an export numbers the others"}};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& config) {
    const std::string& session = arguments.text("session");
    if (session == "none") return std::make_shared<ReplayRule>(nullptr, config);
    auto recorded = readRecordedRouting(session, static_cast<std::int32_t>(arguments.integer("lane")));
    const TraceShape& shape = recorded->shape();
    const auto told = [](std::int64_t layers, std::int64_t experts) {
        return std::to_string(layers) + " layers of " + std::to_string(experts) + " experts";
    };
    if (shape.moe_layers != config.moeLayerCount() || shape.experts != config.num_experts)
        throw Error({.what = "this session was recorded from another model",
                     .where = "session " + session,
                     .expected = told(config.moeLayerCount(), config.num_experts),
                     .found = told(shape.moe_layers, shape.experts)});
    return std::make_shared<ReplayRule>(std::move(recorded), config);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::replay
