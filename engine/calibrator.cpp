#include "engine/calibrator.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "engine/router_entropy.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kChunk = 128;

double norm(std::span<const float> values) {
    double sum = 0.0;
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return std::sqrt(sum);
}

}  // namespace

Calibrator::Calibrator(const Model& model, kernels::Backend& backend, std::shared_ptr<const RoutingPolicy> policy,
                       std::int64_t most_tokens, Calibration so_far)
    : m_model(model),
      m_backend(backend),
      m_most_tokens(static_cast<std::size_t>(most_tokens)),
      m_calibration(std::move(so_far)),
      m_routing(std::move(policy), model.config, kChunk),
      m_cache(model.config, kvPagesFor(most_tokens)),
      m_activations(model.config, {.rows = kChunk, .logit_rows = 0, .slots = m_routing.policy().maxSlots()}),
      m_ranked(static_cast<std::size_t>(model.config.num_experts_per_tok)),
      m_ids(static_cast<std::size_t>(kChunk)),
      m_ones(static_cast<std::size_t>(kChunk), 1.0F),
      m_outputs(static_cast<std::size_t>(kChunk * model.config.hidden_size)) {}

void Calibrator::add(std::span<const TokenId> prompt) {
    assert(!prompt.empty());
    prompt = prompt.first(std::min(prompt.size(), m_most_tokens));
    m_routing.restart();
    KvSequence sequence(m_cache);
    for (std::size_t first = 0; first < prompt.size(); first += static_cast<std::size_t>(kChunk)) {
        const std::size_t count = std::min(prompt.size() - first, static_cast<std::size_t>(kChunk));
        [[maybe_unused]] const bool room = sequence.extend(static_cast<std::int64_t>(count));
        assert(room);
        m_rows.clear();
        for (std::size_t position = first; position < first + count; ++position) {
            m_rows.push_back({.token = prompt[position],
                              .sequence = {.pages = sequence.pages(), .position = static_cast<std::int64_t>(position)},
                              .routing = &m_routing});
        }
        forward(m_model, m_backend, m_cache, m_rows, m_activations, nullptr, this);
    }
    m_calibration.tokens += std::ssize(prompt);
    ++m_calibration.done;
}

void Calibrator::onLayer(std::int64_t layer, const LayerWeights& weights, std::span<const RoutedRow> rows) {
    LayerCalibration& measured = m_calibration.layers[static_cast<std::size_t>(layer)];
    for (const RoutedRow& row : rows) addDistribution(measured, row);
    const std::size_t slots = rows.front().ids.size();
    for (std::size_t slot = 0; slot < slots; ++slot) addSelections(measured, slot, weights, rows);
}

void Calibrator::addDistribution(LayerCalibration& layer, const RoutedRow& row) {
    const std::int32_t ranked = kernels::rankExperts(row.probabilities, m_ranked);
    if (ranked > 0) {
        const auto probability = [&](std::int32_t rank) {
            const auto expert = static_cast<std::size_t>(m_ranked[static_cast<std::size_t>(rank)]);
            return static_cast<double>(row.probabilities[expert]);
        };
        const double first = probability(0);
        layer.last_to_first.add(first > 0.0 ? probability(ranked - 1) / first : 0.0);
    }
    layer.entropy.add(normalisedRouterEntropy(row));
}

/// Runs each row's selection in this slot by itself, so that its output can be measured before it is weighed and
/// summed.
void Calibrator::addSelections(LayerCalibration& layer, std::size_t slot, const LayerWeights& weights,
                               std::span<const RoutedRow> rows) {
    const auto count = static_cast<std::int64_t>(rows.size());
    const std::int64_t hidden = m_model.config.hidden_size;
    bool any = false;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        m_ids[row] = std::max(rows[row].ids[slot], -1);
        any = any || m_ids[row] >= 0;
    }
    if (!any) return;
    std::fill_n(m_outputs.begin(), count * hidden, 0.0F);
    m_backend.experts({rows.front().input.data(), count, hidden}, weights.experts,
                      {.ids = m_ids.data(), .weights = m_ones.data(), .slots = 1}, {m_outputs.data(), count, hidden});
    for (std::size_t row = 0; row < rows.size(); ++row) {
        if (m_ids[row] < 0) continue;
        const auto expert = static_cast<std::size_t>(m_ids[row]);
        const double length = norm(
            std::span(m_outputs).subspan(row * static_cast<std::size_t>(hidden), static_cast<std::size_t>(hidden)));
        const auto weight = static_cast<double>(rows[row].weights[slot]);
        ++layer.tokens[expert];
        layer.weight_sums[expert] += weight;
        layer.norm_sums[expert] += length;
        layer.weighted_norm_sums[expert] += weight * length;
    }
}

}  // namespace mixoscope
