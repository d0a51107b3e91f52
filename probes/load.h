// Load balance over a window of rows: counts per expert and the measures drawn from them (formulas: README,
// "Measures").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "probes/routing_history.h"

namespace mixoscope {

/// Selections per expert of one layer over T rows.
struct LayerLoad {
    std::vector<std::int64_t> selections;  // (experts)
    std::vector<double> probability_sums;  // (experts) Σ_rows p, empty without distributions
    std::int64_t rows = 0;                 // T
    std::int64_t total() const;
};

/// What a window's counts say. A NaN means "not defined for this window" (no rows).
struct BalanceMeasures {
    double cv = 0.0;             // population std / mean of the counts
    double cv_floor = 0.0;       // of an ideal random router: sqrt((N/k − 1) / T), k = mean selections a row
    double excess_cv = 0.0;      // sqrt(max(0, CV² − floor²))
    double max_violation = 0.0;  // max / mean − 1 (MaxVio, arXiv 2408.15664)
    double gini = 0.0;
    double normalised_entropy = 0.0;  // of the load shares, 1 = even
    double auxiliary_product = 0.0;   // N Σ f P / k, NaN without distributions; 1 = balanced
    std::int64_t unseen = 0;          // experts with no selection in the window
    bool dead_rule_applies = false;   // T ≥ 128 and N (1 − k/N)^T < 0.05: only then "unseen" may be called dead
};
BalanceMeasures measureBalance(const LayerLoad& load);

/// Counts split by phase, updated row by row.
class LoadCounter {
public:
    explicit LoadCounter(const TraceShape& shape);
    void add(const StepTrace& trace);
    void add(const History& history, std::int32_t position);
    void clear();
    const LayerLoad& layer(Phase phase, std::int32_t layer) const;
    LayerLoad allPhases(std::int32_t layer) const;
    std::int32_t layers() const;

private:
    TraceShape m_shape;
    std::vector<LayerLoad> m_loads;  // (phases, layers)
};

/// Counts over positions [first, last) of a lane's history.
LayerLoad loadOverRange(const History& history, std::int32_t layer, std::int32_t first, std::int32_t last);

}  // namespace mixoscope
