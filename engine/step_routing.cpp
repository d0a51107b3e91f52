#include "engine/step_routing.h"

#include <cassert>

#include "engine/lane_routing.h"

namespace mixoscope {

StepRouting::StepRouting(const ModelConfig& config, std::span<const ForwardRow> rows, Activations& activations,
                         RoutingRecord* record)
    : m_rows(rows), m_activations(activations), m_record(record) {
    assert(record == nullptr || record->shape().slots == activations.limits().slots);
    assert(record == nullptr || count() <= record->rows());
    if (config.num_experts > 0) describeRows();
}

/// What stays the same for a row in all layers of the step.
void StepRouting::describeRows() {
    Activations& a = m_activations;
    const auto slots = static_cast<std::size_t>(a.limits().slots);
    const auto span = [](const auto& matrix, std::int64_t row) {
        return std::span(matrix.row(row), static_cast<std::size_t>(matrix.columns));
    };
    for (std::int64_t row = 0; row < count(); ++row) {
        const ForwardRow& fed = m_rows[static_cast<std::size_t>(row)];
        assert(fed.routing != nullptr && fed.routing->policy().maxSlots() <= static_cast<int>(slots));
        RoutedRow& routed = a.routedRows()[static_cast<std::size_t>(row)];
        routed.token = fed.token;
        routed.position = fed.sequence.position;
        routed.phase = fed.phase;
        routed.token_flags = fed.token_flags;
        routed.logprob = fed.logprob;
        routed.input = span(a.normed(count()), row);
        routed.logits = span(a.router(count()), row);
        routed.probabilities = span(a.probabilities(count()), row);
        routed.ids = a.expertIds().subspan(static_cast<std::size_t>(row) * slots, slots);
        routed.weights = span(a.weights(count()), row);
    }
}

/// Calls `work` with each lane's routing, its first row and its rows.
template <typename Work>
void StepRouting::forEachLane(const Work& work) {
    const std::span<RoutedRow> routed = m_activations.routedRows().first(m_rows.size());
    for (std::size_t first = 0; first < m_rows.size();) {
        LaneRouting* routing = m_rows[first].routing;
        std::size_t end = first + 1;
        while (end < m_rows.size() && m_rows[end].routing == routing) ++end;
        work(*routing, first, routed.subspan(first, end - first));
        first = end;
    }
}

void StepRouting::choose(std::int64_t moe_layer, kernels::Backend& backend) {
    const int layer = static_cast<int>(moe_layer);
    forEachLane([&](const LaneRouting& routing, std::size_t, std::span<RoutedRow> rows) {
        for (RoutedRow& row : rows) row.flags = 0;
        routing.adjust(layer, rows);
    });
    backend.routerProbabilities(m_activations.router(count()), m_activations.probabilities(count()));
    forEachLane([&](LaneRouting& routing, std::size_t, std::span<RoutedRow> rows) { routing.route(layer, rows); });
    note(moe_layer);
}

void StepRouting::noteLikeliest(std::int64_t moe_layer) {
    forEachLane([&](const LaneRouting& routing, std::size_t, std::span<RoutedRow> rows) {
        for (RoutedRow& row : rows) {
            const auto likeliest = routing.likeliestAt(static_cast<int>(moe_layer), row);
            assert(likeliest);
            row.flags = likeliest->renormalise == kernels::Renormalise::kYes ? 0 : layer_flag::kOwnSum;
        }
    });
    note(moe_layer);
}

void StepRouting::note(std::int64_t moe_layer) {
    if (m_record == nullptr) return;
    forEachLane([&](LaneRouting& routing, std::size_t first, std::span<RoutedRow> rows) {
        for (std::size_t row = 0; row < rows.size(); ++row)
            m_record->put(static_cast<std::int64_t>(first + row), moe_layer, rows[row], routing);
    });
}

}  // namespace mixoscope
