#include "sample_snapshot_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "views/theme.h"

namespace mixoscope::test {

SampleLane::SampleLane(TraceShape shape, LaneLength length, std::uint64_t seed)
    : m_shape(shape), m_lane(shape, length, seed), m_aggregates(shape, true, &ReasoningLane::tokenBytes, shape.slots) {
    testing::Test::RecordProperty("seed", std::to_string(seed));
    LaneSettings settings;
    settings.budget = length.budget;
    m_aggregates.setSettings(0, settings);
    add({.kind = LaneEventKind::kTurnStarted, .value = length.prompt});
}

bool SampleLane::feed(std::int32_t rows) {
    for (std::int32_t i = 0; i < rows && !m_lane.atEnd(); ++i) {
        StepTrace trace = m_lane.next();
        trace.serial = m_serial++;
        m_aggregates.add(trace);
    }
    return !m_lane.atEnd();
}

void SampleLane::skip(std::int32_t rows) {
    for (std::int32_t i = 0; i < rows && !m_lane.atEnd(); ++i) {
        m_lane.next();
        ++m_serial;
    }
}

void SampleLane::feedAll() {
    while (feed(64)) {
    }
}

void SampleLane::add(LaneEvent event) {
    event.serial = m_serial++;
    m_aggregates.add(event);
}

SnapshotPointer SampleLane::snapshot() {
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->serial = ++m_snapshots;
    snapshot->state = WorkbenchState::kGenerating;
    auto model = std::make_shared<ModelFacts>();
    model->name = "synthetic";
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) model->moe_layers.push_back(layer);
    snapshot->model = model;
    m_aggregates.setRing(0, 5, 4096);
    snapshot->lanes = m_aggregates.snapshot();
    return snapshot;
}

void keepPicture(const QImage& image, const QString& name) {
    std::map<QRgb, int> shades;
    for (int y = 0; y < image.height(); ++y) {
        for (int x = 0; x < image.width(); ++x) ++shades[image.pixel(x, y)];
    }
    EXPECT_GE(shades.size(), 16U) << "next to nothing is drawn in " << name.toStdString();
    const auto ground = std::ranges::max_element(shades, {}, [](const auto& shade) { return shade.second; });
    EXPECT_EQ(QColor(ground->first).lightness() < 128, colours().dark) << "the other theme's, " << name.toStdString();
    const QString folder = qEnvironmentVariable("MIXO_ARTEFACTS", QStringLiteral("view_artefacts"));
    QDir().mkpath(folder);
    EXPECT_TRUE(image.save(folder + QLatin1Char('/') + name + QStringLiteral(".png")));
}

}  // namespace mixoscope::test
