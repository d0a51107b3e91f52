#include "probes/load.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kDeadRuleRows = 128;
constexpr double kDeadRuleExpectedUnseen = 0.05;

void addSelections(std::span<const std::int16_t> ids, std::vector<std::int64_t>& selections) {
    for (const std::int16_t id : ids)
        if (id >= 0 && static_cast<std::size_t>(id) < selections.size()) ++selections[static_cast<std::size_t>(id)];
}

void addProbabilities(std::span<const float> distribution, std::vector<double>& sums) {
    for (std::size_t expert = 0; expert < std::min(distribution.size(), sums.size()); ++expert)
        sums[expert] += static_cast<double>(distribution[expert]);
}

LayerLoad emptyLoad(const TraceShape& shape) {
    LayerLoad load;
    load.selections.assign(static_cast<std::size_t>(shape.experts), 0);
    if (shape.distributions) load.probability_sums.assign(static_cast<std::size_t>(shape.experts), 0.0);
    return load;
}

/// Σ_i (2i − N − 1) c_(i) / (N Σc) over the counts in ascending order, i from 1.
double giniOf(std::vector<std::int64_t> counts, double total) {
    std::sort(counts.begin(), counts.end());
    const auto n = static_cast<double>(counts.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < counts.size(); ++i)
        sum += (2.0 * static_cast<double>(i + 1) - n - 1.0) * static_cast<double>(counts[i]);
    return sum / (n * total);
}

double normalisedEntropyOf(const std::vector<std::int64_t>& counts, double total) {
    if (counts.size() < 2) return 1.0;
    double entropy = 0.0;
    for (const std::int64_t count : counts) {
        if (count == 0) continue;
        const double share = static_cast<double>(count) / total;
        entropy -= share * std::log(share);
    }
    return entropy / std::log(static_cast<double>(counts.size()));
}

/// N Σ f_e P_e / k with f_e = c_e / T and P_e = Σp_e / T: 1 when balanced.
double auxiliaryProductOf(const LayerLoad& load, double k) {
    if (load.probability_sums.empty()) return kNaN;
    const auto rows = static_cast<double>(load.rows);
    double sum = 0.0;
    for (std::size_t expert = 0; expert < load.selections.size(); ++expert)
        sum += static_cast<double>(load.selections[expert]) / rows * load.probability_sums[expert] / rows;
    return static_cast<double>(load.selections.size()) * sum / k;
}

}  // namespace

std::int64_t LayerLoad::total() const {
    return std::accumulate(selections.begin(), selections.end(), std::int64_t{0});
}

BalanceMeasures measureBalance(const LayerLoad& load) {
    BalanceMeasures measures;
    measures.unseen = std::count(load.selections.begin(), load.selections.end(), 0);
    const std::int64_t selections = load.total();
    if (load.rows == 0 || selections == 0) {
        measures.cv = measures.cv_floor = measures.excess_cv = measures.max_violation = measures.gini =
            measures.normalised_entropy = measures.auxiliary_product = kNaN;
        return measures;
    }
    const auto n = static_cast<double>(load.selections.size());
    const auto rows = static_cast<double>(load.rows);
    const auto total = static_cast<double>(selections);
    const double k = total / rows;
    const double mean = total / n;

    double squares = 0.0;
    for (const std::int64_t count : load.selections) {
        const double difference = static_cast<double>(count) - mean;
        squares += difference * difference;
    }
    measures.cv = std::sqrt(squares / n) / mean;
    measures.cv_floor = std::sqrt(std::max(0.0, (n / k - 1.0) / rows));
    measures.excess_cv = std::sqrt(std::max(0.0, measures.cv * measures.cv - measures.cv_floor * measures.cv_floor));
    const auto largest = static_cast<double>(*std::max_element(load.selections.begin(), load.selections.end()));
    measures.max_violation = largest / mean - 1.0;
    measures.gini = giniOf(load.selections, total);
    measures.normalised_entropy = normalisedEntropyOf(load.selections, total);
    measures.auxiliary_product = auxiliaryProductOf(load, k);
    const double expected_unseen = n * std::pow(std::max(0.0, 1.0 - k / n), rows);
    measures.dead_rule_applies = load.rows >= kDeadRuleRows && expected_unseen < kDeadRuleExpectedUnseen;
    return measures;
}

LoadCounter::LoadCounter(const TraceShape& shape)
    : m_shape(shape), m_loads(static_cast<std::size_t>(shape.moe_layers) * kPhaseCount, emptyLoad(shape)) {}

void LoadCounter::add(const StepTrace& trace) {
    const auto slots = static_cast<std::size_t>(m_shape.slots);
    const auto experts = static_cast<std::size_t>(m_shape.experts);
    const auto layers = static_cast<std::size_t>(m_shape.moe_layers);
    const std::size_t first = static_cast<std::size_t>(trace.token.phase) * layers;
    for (std::size_t layer = 0; layer < layers && (layer + 1) * slots <= trace.expert_ids.size(); ++layer) {
        LayerLoad& load = m_loads[first + layer];
        ++load.rows;
        addSelections(trace.expert_ids.subspan(layer * slots, slots), load.selections);
        if ((layer + 1) * experts <= trace.distributions.size())
            addProbabilities(trace.distributions.subspan(layer * experts, experts), load.probability_sums);
    }
}

void LoadCounter::add(const History& history, std::int32_t position) {
    const TokenTrace& token = history.token(position).trace;
    if (token.id < 0) return;  // its record was lost
    const std::size_t first = static_cast<std::size_t>(token.phase) * static_cast<std::size_t>(m_shape.moe_layers);
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) {
        LayerLoad& load = m_loads[first + static_cast<std::size_t>(layer)];
        ++load.rows;
        addSelections(history.experts(position, layer), load.selections);
        addProbabilities(history.distribution(position, layer), load.probability_sums);
    }
}

void LoadCounter::clear() {
    std::fill(m_loads.begin(), m_loads.end(), emptyLoad(m_shape));
}

const LayerLoad& LoadCounter::layer(Phase phase, std::int32_t layer) const {
    assert(layer >= 0 && layer < m_shape.moe_layers);
    return m_loads[static_cast<std::size_t>(phase) * static_cast<std::size_t>(m_shape.moe_layers) +
                   static_cast<std::size_t>(layer)];
}

LayerLoad LoadCounter::allPhases(std::int32_t layer) const {
    LayerLoad sum = emptyLoad(m_shape);
    for (int phase = 0; phase < kPhaseCount; ++phase) {
        const LayerLoad& part = this->layer(static_cast<Phase>(phase), layer);
        sum.rows += part.rows;
        for (std::size_t expert = 0; expert < sum.selections.size(); ++expert)
            sum.selections[expert] += part.selections[expert];
        for (std::size_t expert = 0; expert < sum.probability_sums.size(); ++expert)
            sum.probability_sums[expert] += part.probability_sums[expert];
    }
    return sum;
}

std::int32_t LoadCounter::layers() const {
    return m_shape.moe_layers;
}

LayerLoad loadOverRange(const History& history, std::int32_t layer, std::int32_t first, std::int32_t last) {
    LayerLoad load = emptyLoad(history.shape());
    for (std::int32_t position = std::max(first, 0); position < std::min(last, history.rowCount()); ++position) {
        if (history.token(position).trace.id < 0) continue;  // its record was lost
        ++load.rows;
        addSelections(history.experts(position, layer), load.selections);
        addProbabilities(history.distribution(position, layer), load.probability_sums);
    }
    return load;
}

}  // namespace mixoscope
