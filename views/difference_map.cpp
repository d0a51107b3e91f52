#include "views/difference_map.h"

#include <QObject>
#include <algorithm>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/format.h"
#include "views/lane_style.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kShown = 0.99;  // share of the cells that the scale covers; the others are clipped, and it says so

QString letterOf(const ComparisonSnapshot& comparison, std::size_t lane) {
    return laneLetter(comparison.lanes[lane].origin.tag);
}

QString sourceName(bool forced) {
    return forced ? QObject::tr("teacher-forced") : QObject::tr("free run");
}

/// Smallest round number that covers nearly all of the values.
float scaleOf(std::vector<float> magnitudes) {
    std::erase_if(magnitudes, [](float value) { return std::isnan(value); });
    if (magnitudes.empty()) return 1.0F;
    const auto at = static_cast<std::ptrdiff_t>(kShown * static_cast<double>(magnitudes.size() - 1));
    std::nth_element(magnitudes.begin(), magnitudes.begin() + at, magnitudes.end());
    const float nearly_all = magnitudes[static_cast<std::size_t>(at)];
    return nearly_all > 0.0F ? static_cast<float>(roundUp125(nearly_all)) : 1.0F;
}

const std::shared_ptr<const LoadCounter>& loadOf(const ComparedLane& lane, bool forced) {
    return forced ? lane.forced.load : lane.free.load;
}

bool hasRows(const std::shared_ptr<const LoadCounter>& load) {
    return load != nullptr && load->layers() > 0 && load->allPhases(0).rows > 0;
}

HeatmapData makeData(std::int32_t rows, std::int32_t columns) {
    HeatmapData data;
    data.projection = Projection::kLayerExpert;
    data.value = HeatmapValue::kShare;
    data.rows = rows;
    data.columns = columns;
    data.values.assign(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns), kNoData);
    return data;
}

float& cell(HeatmapData& data, std::int32_t row, std::int32_t column) {
    return data
        .values[static_cast<std::size_t>(column) * static_cast<std::size_t>(data.rows) + static_cast<std::size_t>(row)];
}

/// Shares of a layer's selections, in percent.
HeatmapData loadShares(const LoadCounter& load) {
    const auto experts = static_cast<std::int32_t>(load.allPhases(0).selections.size());
    HeatmapData data = makeData(load.layers(), experts);
    for (std::int32_t layer = 0; layer < data.rows; ++layer) {
        const LayerLoad counts = load.allPhases(layer);
        const auto total = static_cast<double>(counts.total());
        if (total <= 0.0) continue;
        for (std::int32_t expert = 0; expert < experts; ++expert) {
            const auto selections = static_cast<double>(counts.selections[static_cast<std::size_t>(expert)]);
            cell(data, layer, expert) = static_cast<float>(100.0 * selections / total);
        }
    }
    return data;
}

HeatmapData loadDifferences(const LoadCounter& base, const LoadCounter& lane) {
    const auto experts = static_cast<std::int32_t>(base.allPhases(0).selections.size());
    HeatmapData data = makeData(base.layers(), experts);
    for (std::int32_t layer = 0; layer < data.rows; ++layer) {
        const std::vector<double> difference = loadShareDifference(base, lane, layer);
        for (std::int32_t expert = 0; expert < experts; ++expert)
            cell(data, layer, expert) = static_cast<float>(100.0 * difference[static_cast<std::size_t>(expert)]);
    }
    return data;
}

void setScale(DifferenceMap& map, float low, float high) {
    map.data.low = low;
    map.data.high = high;
    for (const float value : map.data.values) {
        map.clipped_low |= value < low;
        map.clipped_high |= value > high;
    }
}

std::int32_t tokensPerColumn(std::int32_t tokens, std::int32_t columns) {
    return columns <= 0 ? 1 : std::max(1, (tokens + columns - 1) / columns);
}

QString tokenColumnTitle(std::int32_t tokens_per_column, const QString& of_several) {
    return tokens_per_column == 1
               ? QObject::tr("Token")
               : QObject::tr("Token, %1 a column: %2").arg(format::count(tokens_per_column), of_several);
}

}  // namespace

QString laneMeasureName(LaneMeasure measure) {
    switch (measure) {
        case LaneMeasure::kLoadShare:
            return QObject::tr("load share");
        case LaneMeasure::kOverlap:
            return QObject::tr("expert overlap by token");
        case LaneMeasure::kDivergence:
            return QObject::tr("KL divergence by token");
    }
    return {};
}

bool isForced(const ComparisonSnapshot& comparison) {
    return !comparison.lanes.empty() && comparison.lanes.front().forced_tokens != nullptr &&
           !comparison.lanes.front().forced_tokens->empty();
}

void OverlapCells::update(const History& base, const History& lane, std::int32_t first) {
    const std::int32_t layers = base.shape().moe_layers;
    const std::int32_t end = std::min(base.rowCount(), lane.rowCount());
    const bool other = layers != m_layers || first != m_first || end - first < tokens() ||
                       (tokens() > 0 && lane.token(m_first + tokens() - 1).step != m_last_step);
    if (other) {
        m_cells.clear();
        m_layers = layers;
        m_first = first;
    }
    if (layers == 0) return;
    for (std::int32_t position = first + tokens(); position < end; ++position) {
        const bool known = hasRouting(base, position) && hasRouting(lane, position);
        for (std::int32_t layer = 0; layer < layers; ++layer) {
            m_cells.push_back(known ? static_cast<float>(compareRows(base, lane, position, layer).jaccard) : kNoData);
        }
    }
    if (tokens() > 0) m_last_step = lane.token(m_first + tokens() - 1).step;
}

void DifferenceMaps::update(const ComparisonSnapshot& comparison, LaneMeasure measure, std::int32_t columns) {
    m_maps.assign(comparison.lanes.size(), {});
    if (m_maps.empty()) return;
    switch (measure) {
        case LaneMeasure::kLoadShare:
            return makeLoad(comparison);
        case LaneMeasure::kOverlap:
            return makeOverlap(comparison, columns);
        case LaneMeasure::kDivergence:
            return makeDivergence(comparison, columns);
    }
}

void DifferenceMaps::makeLoad(const ComparisonSnapshot& comparison) {
    const bool forced = isForced(comparison);
    const auto& base = loadOf(comparison.lanes.front(), forced);
    std::vector<float> magnitudes;
    for (std::size_t lane = 0; lane < m_maps.size(); ++lane) {
        DifferenceMap& map = m_maps[lane];
        const ComparedLane& compared = comparison.lanes[lane];
        const auto& load = loadOf(compared, forced);
        map.row_title = QObject::tr("Layer");
        map.column_title = QObject::tr("Expert id");
        map.symmetric = lane > 0;
        map.title = lane == 0
                        ? QObject::tr("Load share, lane %1").arg(letterOf(comparison, 0))
                        : QObject::tr("Load share, %1 − %2").arg(letterOf(comparison, lane), letterOf(comparison, 0));
        map.unit = lane == 0 ? QObject::tr("% of selections") : QObject::tr("percentage points");
        map.reason = QObject::tr("Appears with the lane's first tokens");
        if (!hasRows(base) || !hasRows(load)) continue;
        if (lane == 0) {
            map.data = loadShares(*load);
            map.remark = sourceName(forced);
            setScale(map, 0.0F, scaleOf(map.data.values));
            continue;
        }
        map.data = loadDifferences(*base, *load);
        const double moved = forced ? compared.forced_load_moved : compared.free_load_moved;
        map.remark = QObject::tr("load moved: %1, mean of layers").arg(format::percent(moved));
        for (const float value : map.data.values) magnitudes.push_back(std::abs(value));
    }
    const float scale = scaleOf(std::move(magnitudes));
    for (std::size_t lane = 1; lane < m_maps.size(); ++lane) setScale(m_maps[lane], -scale, scale);
}

void DifferenceMaps::makeOverlap(const ComparisonSnapshot& comparison, std::int32_t columns) {
    m_overlaps.resize(m_maps.size());
    m_overlap_lanes.resize(m_maps.size(), -1);
    const ComparedLane& base = comparison.lanes.front();
    for (std::size_t lane = 0; lane < m_maps.size(); ++lane) {
        DifferenceMap& map = m_maps[lane];
        map.title = QObject::tr("Experts shared, %1 and %2").arg(letterOf(comparison, lane), letterOf(comparison, 0));
        map.unit = QObject::tr("Jaccard, 0 to 1");
        map.row_title = QObject::tr("Layer");
        map.column_title = QObject::tr("Token");
        const ComparedLane& compared = comparison.lanes[lane];
        if (lane == 0) {
            map.title = QObject::tr("Lane %1").arg(letterOf(comparison, 0));
            map.reason = QObject::tr("The baseline: the other lanes are compared with it");
            continue;
        }
        map.reason =
            QObject::tr("Choose “teacher-forced” as quality, then run: overlap needs the same tokens in both lanes");
        if (!isForced(comparison) || base.forced.turns.empty() || compared.forced.history.rowCount() == 0) continue;
        if (m_overlap_lanes[lane] != compared.forced_lane) m_overlaps[lane] = {};
        m_overlap_lanes[lane] = compared.forced_lane;
        // The row before a token is the one that predicted it.
        OverlapCells& cells = m_overlaps[lane];
        const std::int32_t generated = base.forced.turns.back().first_generated_position;
        if (generated < 1) continue;
        cells.update(base.forced.history, compared.forced.history, generated - 1);
        if (cells.tokens() == 0) continue;
        const std::int32_t per_column = tokensPerColumn(cells.tokens(), columns);
        map.data = makeData(cells.layers(), (cells.tokens() + per_column - 1) / per_column);
        map.data.tokens_per_column = per_column;
        for (std::int32_t column = 0; column < map.data.columns; ++column) {
            for (std::int32_t layer = 0; layer < map.data.rows; ++layer) {
                double sum = 0.0;
                std::int32_t known = 0;
                const std::int32_t end = std::min((column + 1) * per_column, cells.tokens());
                for (std::int32_t token = column * per_column; token < end; ++token) {
                    if (std::isnan(cells.at(token, layer))) continue;
                    sum += static_cast<double>(cells.at(token, layer));
                    ++known;
                }
                if (known > 0) cell(map.data, layer, column) = static_cast<float>(sum / known);
            }
        }
        map.column_title = tokenColumnTitle(per_column, QObject::tr("mean"));
        map.remark = QObject::tr("mean %1").arg(format::fixed(compared.forced_overlap.jaccard, 2));
        setScale(map, 0.0F, 1.0F);
    }
}

void DifferenceMaps::makeDivergence(const ComparisonSnapshot& comparison, std::int32_t columns) {
    float largest = 0.0F;
    for (std::size_t lane = 0; lane < m_maps.size(); ++lane) {
        DifferenceMap& map = m_maps[lane];
        map.title = QObject::tr("KL of %1 from %2").arg(letterOf(comparison, lane), letterOf(comparison, 0));
        map.unit = QObject::tr("nats");
        map.column_title = QObject::tr("Token");
        if (lane == 0) {
            map.title = QObject::tr("Lane %1").arg(letterOf(comparison, 0));
            map.reason = QObject::tr("The baseline: the other lanes are compared with it");
            continue;
        }
        map.reason =
            QObject::tr("Choose “teacher-forced” as quality, then run: KL needs the same tokens in both lanes");
        const auto& tokens = comparison.lanes[lane].forced_tokens;
        if (!isForced(comparison) || tokens == nullptr || tokens->empty()) continue;
        const auto& turns = comparison.lanes.front().forced.turns;
        const std::int32_t first = turns.empty() ? tokens->front().position : turns.back().first_generated_position;
        const std::int32_t span = tokens->back().position - first + 1;
        if (first < 0 || span < 1) continue;
        const std::int32_t per_column = tokensPerColumn(span, columns);
        map.data = makeData(1, (span + per_column - 1) / per_column);
        map.data.tokens_per_column = per_column;
        for (const ForcedTokenMeasures& token : *tokens) {
            const std::int32_t column = (token.position - first) / per_column;
            if (column < 0 || column >= map.data.columns) continue;
            float& value = cell(map.data, 0, column);
            const auto divergence = static_cast<float>(token.divergence);
            value = std::isnan(value) ? divergence : std::max(value, divergence);
            largest = std::max(largest, value);
        }
        map.column_title = tokenColumnTitle(per_column, QObject::tr("largest"));
        map.remark = QObject::tr("mean %1").arg(format::fixed(comparison.lanes[lane].quality.divergence, 3));
    }
    const float scale = largest > 0.0F ? static_cast<float>(roundUp125(largest)) : 1.0F;
    for (DifferenceMap& map : m_maps) {
        if (map.data.rows > 0) setScale(map, 0.0F, scale);
    }
}

}  // namespace mixoscope
