// Two lanes side by side: where their tokens part, how alike their routing is (README, "Comparing lanes"). The measures
// of one row and layer are plain functions that views call for the cells they show; the means follow two histories as
// they grow.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "probes/load.h"
#include "probes/routing_history.h"

namespace mixoscope {

/// How alike the experts are that two rows ran in a layer. Not-run selections count as not chosen.
struct RowOverlap {
    double jaccard = 0.0;          // |A ∩ B| / |A ∪ B|; 1 if both are empty
    double overlap = 0.0;          // |A ∩ B| / |A|, A the baseline's; 1 if both are empty, 0 if only A is
    double weight_distance = 0.0;  // ½ Σ_e |g_A(e) − g_B(e)|, 0 where an expert is not chosen
};
/// `base_ids`, `ids`: (slots) as in StepTrace; `base_weights`, `weights`: (slots).
RowOverlap compareRows(std::span<const std::int16_t> base_ids, std::span<const float> base_weights,
                       std::span<const std::int16_t> ids, std::span<const float> weights);
/// Of one position that both histories have a row of.
RowOverlap compareRows(const History& base, const History& lane, std::int32_t position, std::int32_t layer);

/// The first generated token (0: the first after the prompt) in which two lanes differ, −1 if none does so far: one
/// that ended sooner differs where the other goes on only once `ended` says that nothing more will come.
std::int32_t firstDivergence(const History& base, std::int32_t base_first_generated, bool base_ended,
                             const History& lane, std::int32_t lane_first_generated, bool lane_ended);

/// (experts) share of the layer's selections in `lane` minus that in `base`, over all phases; 0 where a lane has none.
std::vector<double> loadShareDifference(const LoadCounter& base, const LoadCounter& lane, std::int32_t layer);
/// ½ Σ_e |difference|, mean over the layers: the share of the load that moved to other experts, 0 to 1. NaN without
/// rows in either.
double loadMoved(const LoadCounter& base, const LoadCounter& lane);

/// Means of RowOverlap over rows and layers, following two histories of the same tokens at the same positions.
class OverlapCounter {
public:
    /// Rows from `first` on are compared: the rows that choose what is compared.
    OverlapCounter(const TraceShape& shape, std::int32_t first);
    /// Compares the rows that both have beyond those compared so far. Rows lost in either are left out.
    void advance(const History& base, const History& lane);

    std::int64_t rows() const { return m_rows; }
    /// Over all rows of a layer, or of all layers; NaN without rows.
    RowOverlap mean(std::int32_t layer) const;
    RowOverlap mean() const;

private:
    TraceShape m_shape;
    std::int32_t m_next;
    std::int64_t m_rows = 0;
    std::vector<RowOverlap> m_sums;  // (layers)
};

}  // namespace mixoscope
