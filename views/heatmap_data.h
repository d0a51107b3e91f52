// What the heatmap shows: matrices of values made from a lane's history, for its three projections.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "probes/load.h"
#include "probes/routing_history.h"
#include "views/selection.h"

namespace mixoscope {

/// The first word is the vertical axis.
enum class Projection : std::uint8_t { kExpertToken, kLayerExpert, kLayerToken };

enum class HeatmapValue : std::uint8_t {
    kWeight,       // of the chosen experts, 0 elsewhere
    kProbability,  // full router distribution, where it was recorded
    kShare,        // of the rows that chose the expert
    kEntropy,
    kMargin,
    kTopProbability,
    kChosen,  // 1 for the chosen experts, 0 elsewhere: of recordings without weights
};
/// True if it has a zero that means "none": shown with the map for sparse values.
bool hasTrueZero(HeatmapValue value);

constexpr float kNoData = std::numeric_limits<float>::quiet_NaN();

/// A matrix of values, column by column; kNoData where there is none.
struct HeatmapData {
    Projection projection = Projection::kExpertToken;
    HeatmapValue value = HeatmapValue::kWeight;
    std::int32_t rows = 0;
    std::int32_t columns = 0;
    std::int32_t first_column = 0;           // token projections: column c covers positions
    std::int32_t tokens_per_column = 1;      //   [(first_column + c) × tokens_per_column, … + tokens_per_column)
    float low = 0.0F;                        // value of the map's first entry
    float high = 1.0F;                       // and of its last; values beyond are clipped
    std::vector<float> values;               // (columns, rows)
    std::vector<std::int16_t> next_experts;  // Layer × expert of one token: (rows), first not chosen, −1 none

    float at(std::int32_t row, std::int32_t column) const {
        return values[static_cast<std::size_t>(column) * rows + row];
    }
    std::span<const float> column(std::int32_t index) const {
        return {values.data() + static_cast<std::size_t>(index) * rows, static_cast<std::size_t>(rows)};
    }
};

/// What a column of a token projection is made of.
struct ColumnSource {
    Projection projection = Projection::kExpertToken;
    HeatmapValue value = HeatmapValue::kWeight;
    std::int32_t layer = 0;  // Expert × token only
    std::int32_t tokens_per_column = 1;

    bool operator==(const ColumnSource&) const = default;
};

/// The visible columns of a token projection in a ring, so that a new token costs the cells of its column and a pan the
/// cells that come into view, whatever the length of the session. Of several tokens in a column the largest value is
/// shown, of entropies the mean.
class TokenColumns {
public:
    /// Makes columns [first, end) current; returns those whose values changed.
    const std::vector<std::int32_t>& update(const History& history, const ColumnSource& source, std::int32_t first,
                                            std::int32_t end);
    /// The values of a column that update() was asked for.
    std::span<const float> column(std::int32_t index) const;
    std::int32_t rows() const { return m_rows; }
    /// Columns share storage modulo this number.
    std::int32_t capacity() const { return static_cast<std::int32_t>(m_slots.size()); }
    std::int32_t slotOf(std::int32_t column) const { return column & (capacity() - 1); }
    /// Of all values built since the source changed; NaN before the first.
    float smallest() const { return m_smallest; }
    float largest() const { return m_largest; }
    /// Cells computed so far: what the cost of updates is measured by.
    std::int64_t cellsWritten() const { return m_cells_written; }

private:
    struct Slot {
        std::int32_t column = -1;
        std::int32_t end = 0;  // positions before it are in the values
    };
    void reset(const History& history, const ColumnSource& source, std::int32_t columns);
    void addPosition(const History& history, std::int32_t position, Slot& slot);

    ColumnSource m_source;
    TraceShape m_shape;
    std::int32_t m_rows = 0;
    std::vector<Slot> m_slots;
    std::vector<float> m_values;  // (slots, rows)
    std::vector<std::int32_t> m_changed;
    float m_smallest = kNoData;
    float m_largest = kNoData;
    std::int64_t m_cells_written = 0;
    std::int32_t m_history_rows = 0;
    TokenId m_last_id = -1;
    Step m_last_step = -1;
};

/// Layer × expert: weights of one token, with the first expert not chosen.
HeatmapData layerExpertOfToken(const History& history, std::int32_t position, HeatmapValue value);

/// Layer × expert: share of a range's rows that chose the expert. A range that grows at its end costs its new rows.
class LayerShares {
public:
    void update(const History& history, TokenRange range);
    const HeatmapData& data() const { return m_data; }

private:
    std::vector<std::int64_t> m_counts;  // (experts, layers)
    TokenRange m_counted;
    std::int32_t m_rows = 0;  // of m_counted that have routing
    TraceShape m_shape;
    TokenId m_last_id = -1;
    Step m_last_step = -1;
    HeatmapData m_data;
};

/// False if the experts of the tokens are known without their weights, as in what other engines record.
bool hasWeights(const History& history);

/// False for a position whose record was lost: nothing is known of its routing.
bool hasRouting(const History& history, std::int32_t position);

/// Fixed scale of a sparse value: from 0 to what the strongest of k experts rarely exceeds.
float weightScale(std::int32_t experts_per_token);
/// Sets low and high of dense values to round numbers around what occurs.
void fitScale(HeatmapData& data, float smallest, float largest);

/// How often each expert of a layer was chosen in the rows of a sequence, kept up to date row by row.
class ExpertCounts {
public:
    void update(const History& history, std::int32_t layer);
    const LayerLoad& load() const { return m_load; }

private:
    LayerLoad m_load;
    std::int32_t m_positions = 0;  // seen
    std::int32_t m_layer = -1;
    TokenId m_last_id = -1;
    Step m_last_step = -1;
};

}  // namespace mixoscope
