// An axis over thinking budgets: logarithmic between the smallest and the largest, with breaks before 0 and ∞, which
// have no place on a logarithm.
#pragma once

#include <vector>

#include "views/experiment_selection.h"

namespace mixoscope {

class BudgetAxis {
public:
    /// `places` as experimentPlaces() orders them.
    explicit BudgetAxis(const std::vector<ExperimentPlace>& places);

    /// Of each place: 0 left … 1 right; a single one stands in the middle.
    const std::vector<double>& positions() const { return m_positions; }
    /// Where the axis is broken.
    const std::vector<double>& breaks() const { return m_breaks; }

private:
    std::vector<double> m_positions;
    std::vector<double> m_breaks;
};

}  // namespace mixoscope
