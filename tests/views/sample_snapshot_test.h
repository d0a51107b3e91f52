// Snapshots for view tests: a seeded reasoning lane through the real aggregates.
#pragma once

#include <QDir>
#include <QImage>
#include <QWidget>

#include "probes/aggregates.h"
#include "support/reasoning_lane.h"
#include "views/bridge.h"

namespace mixoscope::test {

/// A lane that can be fed row by row.
class SampleLane {
public:
    explicit SampleLane(TraceShape shape, LaneLength length = {}, std::uint64_t seed = 7);

    /// Feeds up to `rows` rows; false at the end of the turn.
    bool feed(std::int32_t rows);
    void feedAll();
    /// Rows that the recording loses.
    void skip(std::int32_t rows);
    void add(LaneEvent event);
    SnapshotPointer snapshot();
    Aggregates& aggregates() { return m_aggregates; }

private:
    TraceShape m_shape;
    ReasoningLane m_lane;
    Aggregates m_aggregates;
    std::int64_t m_serial = 0;
    std::uint64_t m_snapshots = 0;
};

/// Shape of the demo model, and one like a 30B model's.
constexpr TraceShape kDemoShape{.moe_layers = 4, .slots = 4, .experts = 32, .distributions = false};
constexpr TraceShape kLargeShape{.moe_layers = 48, .slots = 8, .experts = 128, .distributions = false};

/// Writes a picture for people to look at, to $MIXO_ARTEFACTS or the working directory's view_artefacts/. Expects that
/// something is drawn in it, on the background of the theme that is chosen.
void keepPicture(const QImage& image, const QString& name);

}  // namespace mixoscope::test
