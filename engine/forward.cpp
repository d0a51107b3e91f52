#include "engine/forward.h"

#include <algorithm>
#include <cassert>

#include "engine/step_routing.h"

namespace mixoscope {

namespace {

/// What every layer of a step needs.
struct StepContext {
    const Model& model;
    kernels::Backend& backend;
    const KvCache& cache;
    std::span<const ForwardRow> rows;
    Activations& activations;
    StepRouting& routing;
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

void feedForward(const StepContext& step, std::int64_t moe_layer, const LayerWeights& weights) {
    const std::int64_t count = step.count();
    Activations& a = step.activations;
    if (weights.router.empty()) {
        step.backend.swiglu(a.normed(count), weights.experts.front(), a.hidden(count));
        return;
    }
    step.backend.matmul(a.normed(count), weights.router, {}, kernels::Accumulate::kOverwrite, a.router(count));
    step.routing.choose(moe_layer, step.backend);
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

kernels::RowsIn forward(const Model& model, kernels::Backend& backend, const KvCache& cache,
                        std::span<const ForwardRow> rows, Activations& activations, RoutingRecord* record,
                        LayerObserver* observer) {
    assert(!rows.empty() && static_cast<std::int64_t>(rows.size()) <= activations.limits().rows);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        assert(rows[row].token >= 0 && rows[row].token < model.config.vocab_size);
        activations.tokens()[row] = rows[row].token;
        activations.sequence()[row] = rows[row].sequence;
    }
    StepRouting routing(model.config, rows, activations, record);
    const StepContext step{model, backend, cache, rows, activations, routing, observer};
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
