#include "probes/lane_pair.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::size_t ran(std::span<const std::int16_t> ids) {
    return static_cast<std::size_t>(std::ranges::count_if(ids, [](std::int16_t id) { return id >= 0; }));
}

RowOverlap divided(RowOverlap sums, double rows) {
    sums.jaccard /= rows;
    sums.overlap /= rows;
    sums.weight_distance /= rows;
    return sums;
}

void add(RowOverlap& sum, const RowOverlap& more) {
    sum.jaccard += more.jaccard;
    sum.overlap += more.overlap;
    sum.weight_distance += more.weight_distance;
}

}  // namespace

RowOverlap compareRows(std::span<const std::int16_t> base_ids, std::span<const float> base_weights,
                       std::span<const std::int16_t> ids, std::span<const float> weights) {
    RowOverlap result;
    const std::size_t base_count = ran(base_ids);
    const std::size_t count = ran(ids);
    std::size_t common = 0;
    double distance = 0.0;
    for (std::size_t slot = 0; slot < base_ids.size(); ++slot) {
        if (base_ids[slot] < 0) continue;
        const auto same = std::ranges::find(ids, base_ids[slot]);
        const bool both = same != ids.end();
        if (both) ++common;
        const float other = both ? weights[static_cast<std::size_t>(same - ids.begin())] : 0.0F;
        distance += std::abs(static_cast<double>(base_weights[slot]) - static_cast<double>(other));
    }
    for (std::size_t slot = 0; slot < ids.size(); ++slot) {
        if (ids[slot] >= 0 && std::ranges::find(base_ids, ids[slot]) == base_ids.end())
            distance += std::abs(static_cast<double>(weights[slot]));
    }
    const std::size_t either = base_count + count - common;
    result.jaccard = either > 0 ? static_cast<double>(common) / static_cast<double>(either) : 1.0;
    result.overlap =
        base_count > 0 ? static_cast<double>(common) / static_cast<double>(base_count) : (count == 0 ? 1.0 : 0.0);
    result.weight_distance = 0.5 * distance;
    return result;
}

RowOverlap compareRows(const History& base, const History& lane, std::int32_t position, std::int32_t layer) {
    return compareRows(base.experts(position, layer), base.weights(position, layer), lane.experts(position, layer),
                       lane.weights(position, layer));
}

std::int32_t firstDivergence(const History& base, std::int32_t base_first_generated, bool base_ended,
                             const History& lane, std::int32_t lane_first_generated, bool lane_ended) {
    const std::int32_t base_count = base_first_generated < 0 ? 0 : base.tokenCount() - base_first_generated;
    const std::int32_t lane_count = lane_first_generated < 0 ? 0 : lane.tokenCount() - lane_first_generated;
    const std::int32_t both = std::min(base_count, lane_count);
    for (std::int32_t index = 0; index < both; ++index) {
        if (base.token(base_first_generated + index).trace.id != lane.token(lane_first_generated + index).trace.id)
            return index;
    }
    if ((base_ended && base_count == both && lane_count > both) ||
        (lane_ended && lane_count == both && base_count > both))
        return both;
    return -1;
}

std::vector<double> loadShareDifference(const LoadCounter& base, const LoadCounter& lane, std::int32_t layer) {
    const LayerLoad before = base.allPhases(layer);
    const LayerLoad now = lane.allPhases(layer);
    std::vector<double> difference(before.selections.size(), 0.0);
    const auto before_total = static_cast<double>(before.total());
    const auto now_total = static_cast<double>(now.total());
    if (before_total == 0.0 || now_total == 0.0) return difference;
    for (std::size_t expert = 0; expert < difference.size(); ++expert) {
        difference[expert] = static_cast<double>(now.selections[expert]) / now_total -
                             static_cast<double>(before.selections[expert]) / before_total;
    }
    return difference;
}

double loadMoved(const LoadCounter& base, const LoadCounter& lane) {
    double sum = 0.0;
    std::int32_t layers = 0;
    for (std::int32_t layer = 0; layer < std::min(base.layers(), lane.layers()); ++layer) {
        if (base.allPhases(layer).total() == 0 || lane.allPhases(layer).total() == 0) continue;
        for (const double difference : loadShareDifference(base, lane, layer)) sum += 0.5 * std::abs(difference);
        ++layers;
    }
    return layers > 0 ? sum / layers : kNaN;
}

OverlapCounter::OverlapCounter(const TraceShape& shape, std::int32_t first)
    : m_shape(shape), m_next(std::max(first, 0)), m_sums(static_cast<std::size_t>(shape.moe_layers)) {}

void OverlapCounter::advance(const History& base, const History& lane) {
    for (; m_next < std::min(base.rowCount(), lane.rowCount()); ++m_next) {
        if (base.token(m_next).trace.id < 0 || lane.token(m_next).trace.id < 0) continue;
        ++m_rows;
        for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer)
            add(m_sums[static_cast<std::size_t>(layer)], compareRows(base, lane, m_next, layer));
    }
}

RowOverlap OverlapCounter::mean(std::int32_t layer) const {
    if (m_rows == 0) return {.jaccard = kNaN, .overlap = kNaN, .weight_distance = kNaN};
    return divided(m_sums[static_cast<std::size_t>(layer)], static_cast<double>(m_rows));
}

RowOverlap OverlapCounter::mean() const {
    if (m_rows == 0 || m_sums.empty()) return {.jaccard = kNaN, .overlap = kNaN, .weight_distance = kNaN};
    RowOverlap sum;
    for (const RowOverlap& layer : m_sums) add(sum, layer);
    return divided(sum, static_cast<double>(m_rows) * static_cast<double>(m_sums.size()));
}

}  // namespace mixoscope
