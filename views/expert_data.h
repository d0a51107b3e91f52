// What the expert inspector counts: the rows of one layer, and every row that each of its experts got.
#pragma once

#include <QPointF>
#include <cstdint>
#include <vector>

#include "probes/routing_history.h"
#include "probes/specialisation.h"
#include "views/selection.h"

namespace mixoscope {

/// A row that an expert got.
struct ExpertHit {
    std::int32_t position = 0;
    std::int32_t rank = 0;  // 0: the first choice
    float weight = 0.0F;
};

class ExpertData {
public:
    /// Makes it current for a layer's rows in `range` (empty: all). Rows that come at the end cost their own.
    void update(const History& history, std::int32_t layer, TokenRange range);
    const LayerSpecialisation& counts() const { return m_counts; }
    /// In ascending position.
    const std::vector<ExpertHit>& hits(std::int32_t expert) const { return m_hits[static_cast<std::size_t>(expert)]; }
    /// Positions covered: those in the range whose routing is known.
    const std::vector<std::int32_t>& positions() const { return m_positions; }
    double meanWeight(std::int32_t expert) const;

private:
    void addPosition(const History& history, std::int32_t position);

    LayerSpecialisation m_counts;
    std::vector<std::vector<ExpertHit>> m_hits;  // (experts)
    std::vector<std::int32_t> m_positions;
    TraceShape m_shape;
    std::int32_t m_layer = -1;
    std::int32_t m_first = 0;
    std::int32_t m_end = 0;  // positions before it are counted
    TokenId m_last_id = -1;
    Step m_last_step = -1;
};

/// Rows that a rolling share covers, of `rows` in all: as many as tell a share from noise, fewer in a short sequence.
std::int32_t rollingWindow(std::size_t rows);
/// (position, share of the last `window` rows that got the expert), from the first full window on.
std::vector<QPointF> rollingShare(const ExpertData& data, std::int32_t expert, std::int32_t window);

}  // namespace mixoscope
