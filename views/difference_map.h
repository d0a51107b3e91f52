// What is mapped below a compared lane: where its load went against the baseline's, how alike its routing is, how far
// its predictions are. Data only; difference_map_view.h paints it.
#pragma once

#include <QString>
#include <cstdint>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "views/heatmap_image.h"

namespace mixoscope {

enum class LaneMeasure : std::uint8_t {
    kLoadShare,   // layer × expert: share of the layer's selections; other lanes: difference to the baseline
    kOverlap,     // layer × token: Jaccard overlap of the experts with the baseline's, teacher-forced
    kDivergence,  // per token: KL divergence of the next-token distributions, teacher-forced
};
QString laneMeasureName(LaneMeasure measure);

/// True if the teacher-forced pass has measured something: then loads are those of its rows, else of the free runs.
bool isForced(const ComparisonSnapshot& comparison);

/// One lane's map. Values are in the unit that is named.
struct DifferenceMap {
    HeatmapData data;        // no rows: nothing to show, and `reason` says why
    bool symmetric = false;  // about 0, in the map for differences
    bool clipped_low = false;
    bool clipped_high = false;
    QString title;         // "Load share, B − A"
    QString unit;          // "percentage points"
    QString remark;        // "load moved: 38.5 %, mean of layers"
    QString reason;        // why there is nothing to show
    QString column_title;  // "Expert id"
    QString row_title;     // "Layer"; empty where there is one row
};

/// Overlap of each row and layer with the baseline's, added to as the pass goes on.
class OverlapCells {
public:
    /// Rows from `first` on.
    void update(const History& base, const History& lane, std::int32_t first);
    std::int32_t tokens() const { return m_layers == 0 ? 0 : static_cast<std::int32_t>(m_cells.size()) / m_layers; }
    std::int32_t layers() const { return m_layers; }
    float at(std::int32_t token, std::int32_t layer) const {
        return m_cells[static_cast<std::size_t>(token) * static_cast<std::size_t>(m_layers) +
                       static_cast<std::size_t>(layer)];
    }

private:
    std::vector<float> m_cells;  // (tokens, layers)
    std::int32_t m_layers = 0;
    std::int32_t m_first = -1;
    Step m_last_step = -1;
};

/// The maps of all lanes, on one scale, so that they can be compared.
class DifferenceMaps {
public:
    /// `columns`: most that a token projection may have; where there are more tokens, a column shows several: of
    /// overlaps the mean, of divergences the largest.
    void update(const ComparisonSnapshot& comparison, LaneMeasure measure, std::int32_t columns);
    const std::vector<DifferenceMap>& maps() const { return m_maps; }

private:
    void makeLoad(const ComparisonSnapshot& comparison);
    void makeOverlap(const ComparisonSnapshot& comparison, std::int32_t columns);
    void makeDivergence(const ComparisonSnapshot& comparison, std::int32_t columns);

    std::vector<DifferenceMap> m_maps;
    std::vector<OverlapCells> m_overlaps;  // by lane
    std::vector<LaneId> m_overlap_lanes;   // whose cells those are
};

}  // namespace mixoscope
