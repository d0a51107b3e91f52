#include "probes/lane_measures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double ratio(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : kNaN;
}

}  // namespace

RoutingCounts& RoutingCounts::operator+=(const RoutingCounts& other) {
    rows += other.rows;
    layer_rows += other.layer_rows;
    ran += other.ran;
    dropped += other.dropped;
    virtual_selections += other.virtual_selections;
    distinct += other.distinct;
    bytes += other.bytes;
    return *this;
}

double RoutingCounts::ranPerLayer() const {
    return ratio(ran, layer_rows);
}
double RoutingCounts::bytesPerToken() const {
    return ratio(bytes, rows);
}
double RoutingCounts::droppedShare() const {
    return ratio(dropped, selections());
}
double RoutingCounts::virtualShare() const {
    return ratio(virtual_selections, selections());
}

LaneBalance measureLaneBalance(const LoadCounter& load) {
    LaneBalance balance;
    std::int32_t layers = 0;
    for (std::int32_t layer = 0; layer < load.layers(); ++layer) {
        const LayerLoad counts = load.allPhases(layer);
        const BalanceMeasures measures = measureBalance(counts);
        balance.rows = std::max(balance.rows, counts.rows);
        if (std::isnan(measures.cv)) continue;  // nothing ran in this layer
        balance.cv += measures.cv;
        balance.cv_floor += measures.cv_floor;
        ++layers;
    }
    balance.cv = layers > 0 ? balance.cv / layers : kNaN;
    balance.cv_floor = layers > 0 ? balance.cv_floor / layers : kNaN;
    return balance;
}

RoutingCounter::RoutingCounter(const TraceShape& shape, std::vector<std::int64_t> expert_bytes)
    : m_shape(shape),
      m_expert_bytes(std::move(expert_bytes)),
      m_seen(static_cast<std::size_t>(shape.moe_layers) * static_cast<std::size_t>(shape.experts), 0) {
    m_expert_bytes.resize(static_cast<std::size_t>(shape.moe_layers), 0);
}

RoutingCounts RoutingCounter::all() const {
    RoutingCounts sum = m_prompt;
    return sum += m_generated;
}

void RoutingCounter::advance(const History& history) {
    if (history.rowCount() < m_rows) {
        m_prompt = m_generated = {};
        m_rows = 0;
        m_step = -1;
    }
    for (; m_rows < history.rowCount(); ++m_rows) {
        if (history.token(m_rows).trace.id >= 0) addRow(history, m_rows);
    }
}

void RoutingCounter::addRow(const History& history, std::int32_t position) {
    const TokenRecord& token = history.token(position);
    const bool of_prompt = token.trace.phase == Phase::kPrompt;
    // Rows of a prompt carry the step that fed them. After it a row has a step of its own, but for injected text, which
    // is fed at once.
    constexpr std::uint8_t kGiven = token_flag::kInjected | token_flag::kForced;
    const bool injected = (token.trace.flags & kGiven) == token_flag::kInjected;
    const bool together = of_prompt ? token.step == m_step : injected && m_injected;
    if (!together || position == 0) ++m_group;
    m_step = of_prompt ? token.step : -1;
    m_injected = injected;
    RoutingCounts& counts = of_prompt ? m_prompt : m_generated;
    ++counts.rows;
    counts.layer_rows += m_shape.moe_layers;
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) {
        const bool is_virtual = (history.router(position, layer).flags & layer_flag::kVirtual) != 0;
        const std::size_t first = static_cast<std::size_t>(layer) * static_cast<std::size_t>(m_shape.experts);
        for (const std::int16_t id : history.experts(position, layer)) {
            if (id == -1) break;
            if (isNotRun(id)) {
                ++(is_virtual ? counts.virtual_selections : counts.dropped);
                continue;
            }
            ++counts.ran;
            if (id >= m_shape.experts) continue;
            std::int32_t& seen = m_seen[first + static_cast<std::size_t>(id)];
            if (seen == m_group) continue;
            seen = m_group;
            ++counts.distinct;
            counts.bytes += m_expert_bytes[static_cast<std::size_t>(layer)];
        }
    }
}

}  // namespace mixoscope
