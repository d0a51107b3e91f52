#include "views/expert_data.h"

#include <algorithm>
#include <limits>

#include "views/heatmap_data.h"
#include "views/phase_runs.h"

namespace mixoscope {

void ExpertData::update(const History& history, std::int32_t layer, TokenRange range) {
    const std::int32_t first = range.isEmpty() ? 0 : range.first;
    const std::int32_t end = range.isEmpty() ? history.rowCount() : std::min(range.last, history.rowCount());
    const bool other = layer != m_layer || first != m_first || end < m_end || history.shape() != m_shape ||
                       wasRewritten(history, m_end, m_last_id, m_last_step);
    if (other) {
        m_shape = history.shape();
        m_layer = layer;
        m_first = first;
        m_end = std::max(first, 0);
        m_counts = LayerSpecialisation(m_shape.experts);
        m_hits.assign(static_cast<std::size_t>(m_shape.experts), {});
        m_positions.clear();
    }
    for (; m_end < end; ++m_end) addPosition(history, m_end);
    if (m_end == 0) return;
    m_last_id = history.token(m_end - 1).trace.id;
    m_last_step = history.token(m_end - 1).step;
}

void ExpertData::addPosition(const History& history, std::int32_t position) {
    if (!hasRouting(history, position)) return;
    m_positions.push_back(position);
    const TokenRecord& token = history.token(position);
    const auto experts = history.experts(position, m_layer);
    const auto weights = history.weights(position, m_layer);
    m_counts.add({.id = token.trace.id,
                  .phase = token.trace.phase,
                  .token_class = tokenClass(token.trace, token.bytes),
                  .experts = experts});
    for (std::size_t slot = 0; slot < experts.size() && experts[slot] >= 0; ++slot) {
        m_hits[static_cast<std::size_t>(experts[slot])].push_back(
            {.position = position, .rank = static_cast<std::int32_t>(slot), .weight = weights[slot]});
    }
}

double ExpertData::meanWeight(std::int32_t expert) const {
    double sum = 0.0;
    for (const ExpertHit& hit : hits(expert)) sum += hit.weight;
    return hits(expert).empty() ? std::numeric_limits<double>::quiet_NaN()
                                : sum / static_cast<double>(hits(expert).size());
}

std::int32_t rollingWindow(std::size_t rows) {
    constexpr std::size_t kFewest = 8;
    constexpr std::size_t kMost = 32;
    return static_cast<std::int32_t>(std::clamp(rows / 4, kFewest, kMost));
}

std::vector<QPointF> rollingShare(const ExpertData& data, std::int32_t expert, std::int32_t window) {
    std::vector<QPointF> points;
    const std::vector<std::int32_t>& positions = data.positions();
    const std::vector<ExpertHit>& hits = data.hits(expert);
    const auto width = static_cast<std::size_t>(window);
    auto oldest = hits.begin();
    auto newest = hits.begin();
    for (std::size_t row = 0; row < positions.size(); ++row) {
        while (newest != hits.end() && newest->position <= positions[row]) ++newest;
        if (row + 1 < width) continue;
        while (oldest != newest && oldest->position < positions[row + 1 - width]) ++oldest;
        points.emplace_back(positions[row], static_cast<double>(newest - oldest) / window);
    }
    return points;
}

}  // namespace mixoscope
