#include "engine/forward.h"

#include <algorithm>
#include <cassert>
#include <limits>

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

RouterFacts factsOf(const kernels::SelectionFacts& selection, std::span<const std::int32_t> ids) {
    const auto active = std::count_if(ids.begin(), ids.end(), [](std::int32_t id) { return id >= 0; });
    RouterFacts facts;
    facts.entropy = selection.entropy;
    facts.top_probability = selection.top_probability;
    facts.last_probability = selection.last_probability;
    facts.next_probability = selection.next_probability;
    facts.next_expert = static_cast<std::int16_t>(selection.next_expert);
    facts.active =
        static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(active, std::numeric_limits<std::uint8_t>::max()));
    const bool tie = selection.next_expert >= 0 && selection.last_probability == selection.next_probability;
    facts.flags = tie ? layer_flag::kTie : std::uint8_t{0};
    return facts;
}

void recordRow(RoutingRecord& record, std::int64_t row, std::int64_t moe_layer, std::span<const std::int32_t> ids,
               std::span<const float> weights, std::span<const float> probabilities, const RouterFacts& facts) {
    const std::size_t slots = static_cast<std::size_t>(record.shape().slots);
    const std::size_t first = static_cast<std::size_t>(moe_layer) * slots;
    assert(ids.size() == slots);
    std::transform(ids.begin(), ids.end(), record.expertIds(row).subspan(first, slots).begin(),
                   [](std::int32_t id) { return static_cast<std::int16_t>(id); });
    std::copy(weights.begin(), weights.end(), record.expertWeights(row).subspan(first, slots).begin());
    record.router(row)[static_cast<std::size_t>(moe_layer)] = facts;
    if (record.shape().distributions) {
        const std::size_t experts = probabilities.size();
        std::copy(probabilities.begin(), probabilities.end(),
                  record.distributions(row).subspan(static_cast<std::size_t>(moe_layer) * experts, experts).begin());
    }
}

/// Each row's experts by its own policy, into expertIds() and weights() of the activations and into the record.
void chooseExperts(const StepContext& step, std::int64_t moe_layer) {
    Activations& a = step.activations;
    const std::int64_t count = step.count();
    const std::size_t slots = static_cast<std::size_t>(a.limits().slots);
    const kernels::RowsOut probabilities = a.probabilities(count);
    const kernels::RowsOut weights = a.weights(count);
    for (std::int64_t row = 0; row < count; ++row) {
        const RoutingPolicy* policy = step.rows[static_cast<std::size_t>(row)].policy;
        assert(policy != nullptr && policy->maxSlots() <= static_cast<int>(slots));
        const std::span<const float> distribution(probabilities.row(row),
                                                  static_cast<std::size_t>(probabilities.columns));
        const std::span<std::int32_t> ids = a.expertIds().subspan(static_cast<std::size_t>(row) * slots, slots);
        const std::span<float> row_weights(weights.row(row), slots);
        const kernels::SelectionFacts selection =
            policy->select(static_cast<int>(moe_layer), distribution, ids, row_weights);
        if (step.record != nullptr) {
            recordRow(*step.record, row, moe_layer, ids, row_weights, distribution, factsOf(selection, ids));
        }
    }
}

void feedForward(const StepContext& step, std::int64_t moe_layer, const LayerWeights& weights) {
    const std::int64_t count = step.count();
    Activations& a = step.activations;
    if (weights.router.empty()) {
        step.backend.swiglu(a.normed(count), weights.experts.front(), a.hidden(count));
        return;
    }
    step.backend.matmul(a.normed(count), weights.router, {}, kernels::Accumulate::kOverwrite, a.router(count));
    step.backend.routerProbabilities(a.router(count), a.probabilities(count));
    chooseExperts(step, moe_layer);
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
                        std::span<const ForwardRow> rows, Activations& activations, RoutingRecord* record) {
    assert(!rows.empty() && static_cast<std::int64_t>(rows.size()) <= activations.limits().rows);
    assert(record == nullptr || record->shape().slots == activations.limits().slots);
    assert(record == nullptr || static_cast<std::int64_t>(rows.size()) <= record->rows());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        assert(rows[row].token >= 0 && rows[row].token < model.config.vocab_size);
        activations.tokens()[row] = rows[row].token;
        activations.sequence()[row] = rows[row].sequence;
    }
    const StepContext step{model, backend, cache, rows, activations, record};
    const std::int64_t count = step.count();
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
