#include "engine/forward.h"

#include <algorithm>
#include <cassert>

namespace mixoscope {

namespace {

/// What every layer of a step needs.
struct StepContext {
    const Model& model;
    kernels::Backend& backend;
    const KvCache& cache;
    std::span<const ForwardRow> rows;
    Activations& activations;
    RoutingRecord* record;
    LayerObserver* observer;

    std::int64_t count() const { return static_cast<std::int64_t>(rows.size()); }
    std::span<const kernels::SequencePosition> sequence() const { return activations.sequence().first(rows.size()); }
};

void attend(const StepContext& step, std::int64_t layer, const LayerWeights& weights) {
    const ModelConfig& config = step.model.config;
    const std::int64_t count = step.count();
    Activations& a = step.activations;
    const kernels::RowsIn in = a.normed(count);
    const kernels::Product projections[] = {
        {weights.q_proj, weights.q_bias, kernels::Accumulate::kOverwrite, a.queries(count)},
        {weights.k_proj, weights.k_bias, kernels::Accumulate::kOverwrite, a.keys(count)},
        {weights.v_proj, weights.v_bias, kernels::Accumulate::kOverwrite, a.values(count)}};
    step.backend.matmulEach(in, projections);
    const kernels::KvLayer cache = step.cache.layer(layer);
    step.backend.queryKeyStore({.queries = a.queries(count),
                                .keys = a.keys(count),
                                .values = a.values(count),
                                .query_norm = weights.q_norm,
                                .key_norm = weights.k_norm,
                                .norm_epsilon = config.rms_norm_eps,
                                .inverse_frequencies = step.model.rotary.inverse_frequencies,
                                .attention_scaling = step.model.rotary.attention_scaling,
                                .cache = cache,
                                .sequence = step.sequence(),
                                .heads = config.num_attention_heads});
    step.backend.attention(a.queries(count), cache, step.sequence(), config.num_attention_heads, a.attended(count));
    step.backend.matmul(a.attended(count), weights.o_proj, weights.o_bias, kernels::Accumulate::kAdd, a.hidden(count));
}

RouterFacts factsOf(LaneRouting& routing, const RoutedRow& row) {
    const kernels::SelectionFacts selection = routing.describe(row);
    RouterFacts facts;
    facts.entropy = selection.entropy;
    facts.top_probability = selection.top_probability;
    facts.last_probability = selection.last_probability;
    facts.next_probability = selection.next_probability;
    facts.next_expert = static_cast<std::int16_t>(selection.next_expert);
    facts.active = static_cast<std::uint16_t>(runningIds(row).size());
    const bool tie = selection.next_expert >= 0 && selection.last_probability == selection.next_probability;
    facts.flags = static_cast<std::uint8_t>(row.flags | (tie ? layer_flag::kTie : 0));
    return facts;
}

void recordRow(RoutingRecord& record, std::int64_t row, std::int64_t moe_layer, const RoutedRow& routed,
               const RouterFacts& facts) {
    const std::size_t slots = static_cast<std::size_t>(record.shape().slots);
    const std::size_t first = static_cast<std::size_t>(moe_layer) * slots;
    assert(routed.ids.size() == slots);
    std::transform(routed.ids.begin(), routed.ids.end(), record.expertIds(row).subspan(first, slots).begin(),
                   [](std::int32_t id) { return static_cast<std::int16_t>(id); });
    std::copy(routed.weights.begin(), routed.weights.end(), record.expertWeights(row).subspan(first, slots).begin());
    record.router(row)[static_cast<std::size_t>(moe_layer)] = facts;
    if (record.shape().distributions) {
        const std::size_t experts = routed.probabilities.size();
        // Experts that were taken out of the choice are marked by a negative probability.
        std::transform(
            routed.probabilities.begin(), routed.probabilities.end(),
            record.distributions(row).subspan(static_cast<std::size_t>(moe_layer) * experts, experts).begin(),
            [](float probability) { return probability < 0.0F ? 0.0F : probability; });
    }
}

/// What stays the same for a row in all layers of the step.
void describeRows(const StepContext& step) {
    Activations& a = step.activations;
    const auto slots = static_cast<std::size_t>(a.limits().slots);
    const auto span = [](const auto& matrix, std::int64_t row) {
        return std::span(matrix.row(row), static_cast<std::size_t>(matrix.columns));
    };
    for (std::int64_t row = 0; row < step.count(); ++row) {
        const ForwardRow& fed = step.rows[static_cast<std::size_t>(row)];
        assert(fed.routing != nullptr && fed.routing->policy().maxSlots() <= static_cast<int>(slots));
        RoutedRow& routed = a.routedRows()[static_cast<std::size_t>(row)];
        routed.token = fed.token;
        routed.position = fed.sequence.position;
        routed.phase = fed.phase;
        routed.token_flags = fed.token_flags;
        routed.logprob = fed.logprob;
        routed.input = span(a.normed(step.count()), row);
        routed.logits = span(a.router(step.count()), row);
        routed.probabilities = span(a.probabilities(step.count()), row);
        routed.ids = a.expertIds().subspan(static_cast<std::size_t>(row) * slots, slots);
        routed.weights = span(a.weights(step.count()), row);
    }
}

/// Calls `work` with each lane's routing and its rows.
template <typename Work>
void forEachLane(const StepContext& step, const Work& work) {
    const std::span<RoutedRow> routed = step.activations.routedRows().first(step.rows.size());
    for (std::size_t first = 0; first < step.rows.size();) {
        LaneRouting* routing = step.rows[first].routing;
        std::size_t end = first + 1;
        while (end < step.rows.size() && step.rows[end].routing == routing) ++end;
        work(*routing, first, routed.subspan(first, end - first));
        first = end;
    }
}

/// Each lane's experts by its own policy, into expertIds() and weights() of the activations and into the record.
void chooseExperts(const StepContext& step, std::int64_t moe_layer) {
    Activations& a = step.activations;
    const int layer = static_cast<int>(moe_layer);
    forEachLane(step, [&](const LaneRouting& routing, std::size_t, std::span<RoutedRow> rows) {
        for (RoutedRow& row : rows) row.flags = 0;
        routing.adjust(layer, rows);
    });
    step.backend.routerProbabilities(a.router(step.count()), a.probabilities(step.count()));
    forEachLane(step, [&](LaneRouting& routing, std::size_t first, std::span<RoutedRow> rows) {
        routing.route(layer, rows);
        if (step.record == nullptr) return;
        for (std::size_t row = 0; row < rows.size(); ++row)
            recordRow(*step.record, static_cast<std::int64_t>(first + row), moe_layer, rows[row],
                      factsOf(routing, rows[row]));
    });
}

void feedForward(const StepContext& step, std::int64_t moe_layer, const LayerWeights& weights) {
    const std::int64_t count = step.count();
    Activations& a = step.activations;
    if (weights.router.empty()) {
        step.backend.swiglu(a.normed(count), weights.experts.front(), a.hidden(count));
        return;
    }
    step.backend.matmul(a.normed(count), weights.router, {}, kernels::Accumulate::kOverwrite, a.router(count));
    chooseExperts(step, moe_layer);
    if (step.observer != nullptr) step.observer->onLayer(moe_layer, weights, a.routedRows().first(step.rows.size()));
    step.backend.experts(a.normed(count), weights.experts,
                         {.ids = a.expertIds().data(), .weights = a.weights(count).data, .slots = a.limits().slots},
                         a.hidden(count));
}

kernels::RowsIn projectWanted(const StepContext& step) {
    Activations& a = step.activations;
    const kernels::RowsOut hidden = a.hidden(step.count());
    const std::int64_t wanted =
        std::count_if(step.rows.begin(), step.rows.end(), [](const ForwardRow& row) { return row.wants_logits; });
    if (wanted == 0) return {};
    const kernels::RowsOut last = a.last(wanted);
    std::int64_t next = 0;
    for (std::int64_t row = 0; row < step.count(); ++row) {
        if (!step.rows[static_cast<std::size_t>(row)].wants_logits) continue;
        std::copy_n(hidden.row(row), hidden.columns, last.row(next++));
    }
    const Weights& weights = step.model.weights;
    step.backend.rmsNorm(last, weights.final_norm, step.model.config.rms_norm_eps, last);
    step.backend.matmul(last, weights.lm_head, {}, kernels::Accumulate::kOverwrite, a.logits(wanted));
    return a.logits(wanted);
}

}  // namespace

TraceShape traceShapeOf(const ModelConfig& config, std::int64_t slots, bool distributions) {
    return {.moe_layers = static_cast<std::int32_t>(config.moeLayerCount()),
            .slots = static_cast<std::int32_t>(slots > 0 ? slots : config.num_experts_per_tok),
            .experts = static_cast<std::int32_t>(config.num_experts),
            .distributions = distributions};
}

RoutingRecord::RoutingRecord(const TraceShape& shape, std::int64_t rows) : m_shape(shape), m_rows(rows) {
    const std::size_t layers = static_cast<std::size_t>(rows) * static_cast<std::size_t>(shape.moe_layers);
    m_expert_ids.assign(layers * static_cast<std::size_t>(shape.slots), -1);
    m_expert_weights.assign(layers * static_cast<std::size_t>(shape.slots), 0.0F);
    m_router.resize(layers);
    if (shape.distributions) m_distributions.resize(layers * static_cast<std::size_t>(shape.experts));
}

std::span<std::int16_t> RoutingRecord::expertIds(std::int64_t row) {
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers) * static_cast<std::size_t>(m_shape.slots);
    return std::span(m_expert_ids).subspan(static_cast<std::size_t>(row) * width, width);
}

std::span<float> RoutingRecord::expertWeights(std::int64_t row) {
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers) * static_cast<std::size_t>(m_shape.slots);
    return std::span(m_expert_weights).subspan(static_cast<std::size_t>(row) * width, width);
}

std::span<RouterFacts> RoutingRecord::router(std::int64_t row) {
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers);
    return std::span(m_router).subspan(static_cast<std::size_t>(row) * width, width);
}

std::span<float> RoutingRecord::distributions(std::int64_t row) {
    if (!m_shape.distributions) return {};
    const std::size_t width = static_cast<std::size_t>(m_shape.moe_layers) * static_cast<std::size_t>(m_shape.experts);
    return std::span(m_distributions).subspan(static_cast<std::size_t>(row) * width, width);
}

kernels::RowsIn forward(const Model& model, kernels::Backend& backend, const KvCache& cache,
                        std::span<const ForwardRow> rows, Activations& activations, RoutingRecord* record,
                        LayerObserver* observer) {
    assert(!rows.empty() && static_cast<std::int64_t>(rows.size()) <= activations.limits().rows);
    assert(record == nullptr || record->shape().slots == activations.limits().slots);
    assert(record == nullptr || static_cast<std::int64_t>(rows.size()) <= record->rows());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        assert(rows[row].token >= 0 && rows[row].token < model.config.vocab_size);
        activations.tokens()[row] = rows[row].token;
        activations.sequence()[row] = rows[row].sequence;
    }
    const StepContext step{model, backend, cache, rows, activations, record, observer};
    const std::int64_t count = step.count();
    if (model.config.num_experts > 0) describeRows(step);
    backend.embed(model.weights.embed_tokens, activations.tokens().first(rows.size()), activations.hidden(count));
    std::int64_t moe_layer = 0;
    for (std::int64_t layer = 0; layer < model.config.num_hidden_layers; ++layer) {
        const LayerWeights& weights = model.weights.layers[static_cast<std::size_t>(layer)];
        backend.rmsNorm(activations.hidden(count), weights.input_norm, model.config.rms_norm_eps,
                        activations.normed(count));
        attend(step, layer, weights);
        backend.rmsNorm(activations.hidden(count), weights.post_attention_norm, model.config.rms_norm_eps,
                        activations.normed(count));
        feedForward(step, moe_layer, weights);
        if (!weights.router.empty()) ++moe_layer;
    }
    return projectWanted(step);
}

}  // namespace mixoscope
