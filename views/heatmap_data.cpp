#include "views/heatmap_data.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/phase_runs.h"

namespace mixoscope {
namespace {

float routerValue(const RouterFacts& facts, HeatmapValue value) {
    switch (value) {
        case HeatmapValue::kMargin:
            return facts.margin();
        case HeatmapValue::kTopProbability:
            return facts.top_probability;
        default:
            return facts.entropy;
    }
}

/// Writes one token's experts of a layer by `put(expert, value)`; unused slots are left out.
template <typename Put>
void forEachExpert(const History& history, std::int32_t position, std::int32_t layer, HeatmapValue value, Put put) {
    const auto distribution = history.distribution(position, layer);
    if (value == HeatmapValue::kProbability && !distribution.empty()) {
        for (std::size_t e = 0; e < distribution.size(); ++e) put(static_cast<std::int32_t>(e), distribution[e]);
        return;
    }
    const auto experts = history.experts(position, layer);
    const auto weights = history.weights(position, layer);
    for (std::size_t slot = 0; slot < experts.size(); ++slot) {
        if (experts[slot] >= 0) put(experts[slot], value == HeatmapValue::kChosen ? 1.0F : weights[slot]);
    }
}

float larger(float first, float second) {
    return std::isnan(first) || second > first ? second : first;
}
float smaller(float first, float second) {
    return std::isnan(first) || second < first ? second : first;
}

}  // namespace

bool hasRouting(const History& history, std::int32_t position) {
    if (position < 0 || position >= history.rowCount() || history.shape().moe_layers == 0) return false;
    // A lost row's token may be known from the row before it; its router facts are then all empty.
    const RouterFacts& facts = history.router(position, 0);
    return history.token(position).trace.id >= 0 &&
           (facts.active > 0 || facts.next_expert >= 0 || facts.top_probability > 0.0F);
}

bool hasWeights(const History& history) {
    const std::int32_t layers = history.shape().moe_layers;
    for (std::int32_t position = 0; layers > 0 && position < history.rowCount(); ++position) {
        for (std::int32_t layer = 0; layer < layers; ++layer) {
            const auto experts = history.experts(position, layer);
            if (!experts.empty() && experts[0] >= 0) return !std::isnan(history.weights(position, layer)[0]);
        }
    }
    return true;
}

bool hasTrueZero(HeatmapValue value) {
    return value == HeatmapValue::kWeight || value == HeatmapValue::kProbability || value == HeatmapValue::kChosen ||
           value == HeatmapValue::kShare;
}

void TokenColumns::reset(const History& history, const ColumnSource& source, std::int32_t columns) {
    m_source = source;
    m_shape = history.shape();
    m_rows = source.projection == Projection::kExpertToken ? m_shape.experts : m_shape.moe_layers;
    const auto capacity = std::bit_ceil(static_cast<std::uint32_t>(std::max(columns, 64)));
    m_slots.assign(capacity, {});
    m_values.assign(static_cast<std::size_t>(capacity) * m_rows, kNoData);
    m_smallest = m_largest = kNoData;
    m_history_rows = 0;
}

const std::vector<std::int32_t>& TokenColumns::update(const History& history, const ColumnSource& source,
                                                      std::int32_t first, std::int32_t end) {
    m_changed.clear();
    const std::int32_t columns = std::max(end - first, 0);
    if (source != m_source || history.shape() != m_shape || columns > capacity() ||
        wasRewritten(history, m_history_rows, m_last_id, m_last_step) || history.rowCount() < m_history_rows) {
        reset(history, source, columns);
    }
    m_history_rows = history.rowCount();
    if (m_history_rows > 0) {
        m_last_id = history.token(m_history_rows - 1).trace.id;
        m_last_step = history.token(m_history_rows - 1).step;
    }
    for (std::int32_t column = first; column < end; ++column) {
        Slot& slot = m_slots[slotOf(column)];
        const std::int32_t begin = column * source.tokens_per_column;
        const std::int32_t target = std::min(begin + source.tokens_per_column, m_history_rows);
        if (slot.column == column && slot.end >= target) continue;
        if (slot.column != column) {
            slot = {.column = column, .end = begin};
            std::fill_n(m_values.begin() + static_cast<std::ptrdiff_t>(slotOf(column)) * m_rows, m_rows, kNoData);
        }
        for (; slot.end < target; ++slot.end) addPosition(history, slot.end, slot);
        m_changed.push_back(column);
    }
    return m_changed;
}

void TokenColumns::addPosition(const History& history, std::int32_t position, Slot& slot) {
    float* values = m_values.data() + static_cast<std::ptrdiff_t>(slotOf(slot.column)) * m_rows;
    m_cells_written += m_rows;
    if (!hasRouting(history, position)) return;
    if (m_source.projection == Projection::kExpertToken) {
        if (std::isnan(values[0])) std::fill_n(values, m_rows, 0.0F);
        forEachExpert(history, position, m_source.layer, m_source.value, [&](std::int32_t expert, float value) {
            values[expert] = std::max(values[expert], value);
            m_largest = larger(m_largest, value);
        });
        return;
    }
    const auto earlier = static_cast<float>(position - slot.column * m_source.tokens_per_column);
    for (std::int32_t layer = 0; layer < m_rows; ++layer) {
        const float value = routerValue(history.router(position, layer), m_source.value);
        float& cell = values[layer];
        if (std::isnan(cell)) {
            cell = value;
        } else if (m_source.value == HeatmapValue::kEntropy) {
            cell += (value - cell) / (earlier + 1.0F);
        } else {
            cell = std::max(cell, value);
        }
        m_smallest = smaller(m_smallest, cell);
        m_largest = larger(m_largest, cell);
    }
}

std::span<const float> TokenColumns::column(std::int32_t index) const {
    assert(m_slots[slotOf(index)].column == index);
    return {m_values.data() + static_cast<std::ptrdiff_t>(slotOf(index)) * m_rows, static_cast<std::size_t>(m_rows)};
}

HeatmapData layerExpertOfToken(const History& history, std::int32_t position, HeatmapValue value) {
    HeatmapData data;
    data.projection = Projection::kLayerExpert;
    data.value = value;
    data.rows = history.shape().moe_layers;
    data.columns = history.shape().experts;
    data.values.assign(static_cast<std::size_t>(data.rows) * data.columns, 0.0F);
    data.next_experts.assign(static_cast<std::size_t>(data.rows), -1);
    data.high = value == HeatmapValue::kChosen ? 1.0F : weightScale(history.shape().slots);
    for (std::int32_t layer = 0; layer < data.rows; ++layer) {
        forEachExpert(history, position, layer, value, [&](std::int32_t expert, float cell) {
            data.values[static_cast<std::size_t>(expert) * data.rows + layer] = cell;
        });
        data.next_experts[static_cast<std::size_t>(layer)] = history.router(position, layer).next_expert;
    }
    return data;
}

void LayerShares::update(const History& history, TokenRange range) {
    range.last = std::min(range.last, history.rowCount());
    const TraceShape& shape = history.shape();
    const std::size_t cells = static_cast<std::size_t>(shape.moe_layers) * shape.experts;
    if (shape != m_shape || range.first != m_counted.first || range.last < m_counted.last ||
        wasRewritten(history, m_counted.last, m_last_id, m_last_step) || m_counts.size() != cells) {
        m_shape = shape;
        m_counts.assign(cells, 0);
        m_rows = 0;
        m_counted = {range.first, range.first};
    }
    for (; m_counted.last < range.last; ++m_counted.last) {
        m_rows += hasRouting(history, m_counted.last) ? 1 : 0;
        for (std::int32_t layer = 0; layer < shape.moe_layers; ++layer) {
            for (const std::int16_t expert : history.experts(m_counted.last, layer)) {
                if (expert >= 0) ++m_counts[static_cast<std::size_t>(expert) * shape.moe_layers + layer];
            }
        }
    }
    if (m_counted.last > 0) {
        m_last_id = history.token(m_counted.last - 1).trace.id;
        m_last_step = history.token(m_counted.last - 1).step;
    }
    m_data = {};
    m_data.projection = Projection::kLayerExpert;
    m_data.value = HeatmapValue::kShare;
    m_data.rows = shape.moe_layers;
    m_data.columns = shape.experts;
    m_data.values.assign(cells, kNoData);
    if (m_rows == 0) return;
    float largest = 0.0F;
    for (std::size_t i = 0; i < cells; ++i) {
        m_data.values[i] = static_cast<float>(m_counts[i]) / static_cast<float>(m_rows);
        largest = std::max(largest, m_data.values[i]);
    }
    m_data.high = static_cast<float>(std::min(1.0, roundUp125(largest)));
}

float weightScale(std::int32_t experts_per_token) {
    return std::min(1.0F, 3.2F / static_cast<float>(std::max(experts_per_token, 1)));
}

void fitScale(HeatmapData& data, float smallest, float largest) {
    if (std::isnan(smallest) || std::isnan(largest)) {
        data.low = 0.0F;
        data.high = 1.0F;
    } else if (data.value == HeatmapValue::kEntropy) {
        data.low = std::floor(smallest * 10.0F) / 10.0F;
        data.high = std::max(std::ceil(largest * 10.0F) / 10.0F, data.low + 0.1F);
    } else {
        data.low = 0.0F;
        data.high = static_cast<float>(std::min(1.0, roundUp125(largest)));
    }
}

void ExpertCounts::update(const History& history, std::int32_t layer) {
    const std::int32_t done = m_positions;
    if (layer != m_layer || m_load.selections.size() != static_cast<std::size_t>(history.shape().experts) ||
        history.rowCount() < done || wasRewritten(history, done, m_last_id, m_last_step)) {
        m_load = {};
        m_positions = 0;
        m_load.selections.assign(static_cast<std::size_t>(history.shape().experts), 0);
        m_layer = layer;
    }
    for (; m_positions < history.rowCount(); ++m_positions) {
        const std::int32_t position = m_positions;
        for (const std::int16_t expert : history.experts(position, layer)) {
            if (expert >= 0) ++m_load.selections[static_cast<std::size_t>(expert)];
        }
        m_load.rows += hasRouting(history, position) ? 1 : 0;
        m_last_id = history.token(position).trace.id;
        m_last_step = history.token(position).step;
    }
}

}  // namespace mixoscope
