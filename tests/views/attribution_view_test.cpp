// Expert attribution as a panel: the map's cells, colours and numbers, progress, refusals, CSV.
#include "views/attribution_view.h"

#include <gtest/gtest.h>

#include <QAction>
#include <QLabel>
#include <QProgressBar>
#include <QSignalSpy>
#include <QTest>
#include <QToolButton>
#include <cmath>
#include <limits>

#include "sample_comparison_test.h"
#include "views/colour_map.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Two layers, the model's numbers 1 and 3; three ranks, of which the second layer uses two, one not computed.
AttributionSnapshot sample() {
    AttributionSnapshot attribution;
    attribution.lane = 10;
    attribution.position = 4;
    attribution.token = 7;
    attribution.layers = 2;
    attribution.slots = 3;
    attribution.logprob = -0.25;
    attribution.experts = {5, 2, 6, 1, 4, -1};
    attribution.changes = {-1.5, 0.25, 0.0, 0.002, kNaN, kNaN};
    attribution.done = attribution.total = 5;
    return attribution;
}

std::shared_ptr<WorkbenchSnapshot> snapshotWith(const AttributionSnapshot& attribution,
                                                WorkbenchState state = WorkbenchState::kReady) {
    const ComparedLane lane = test::sampleLane(0, "model", {.tokens = {"a", "b", "c"}});
    auto snapshot = std::make_shared<WorkbenchSnapshot>(*test::snapshotOf(test::sampleComparison({lane})));
    snapshot->state = state;
    snapshot->lanes = {lane.free};
    auto measured = std::make_shared<AttributionSnapshot>(attribution);
    measured->lane = lane.free.lane;
    measured->token = lane.free.history.token(4).trace.id;
    snapshot->attribution = measured;
    return snapshot;
}

class AttributionPanel : public testing::Test {
protected:
    AttributionPanel() {
        view.resize(520, 320);
        view.show();
    }
    template <typename Widget>
    Widget& find(const QString& name) {
        return *view.findChild<Widget*>(name);
    }
    Selection selection;
    QAction measure;
    AttributionView view{selection, measure};
};

TEST(AttributionCells, AreTheExpertsThatRan) {
    const auto cells = attributionCells(sample());
    ASSERT_EQ(cells.size(), 5U);
    EXPECT_EQ(cells[3].layer, 1);
    EXPECT_EQ(cells[3].slot, 0);
    EXPECT_EQ(cells[3].expert, 1);
    EXPECT_EQ(cells[3].change, 0.002);
    EXPECT_EQ(attributionScale(sample()), 2.0);
    EXPECT_EQ(strongestAttribution(sample(), {1, 3}), u"layer 1, expert 5: −1.500"_s);
    AttributionSnapshot nothing = sample();
    nothing.changes.assign(6, kNaN);
    EXPECT_EQ(attributionScale(nothing), 1.0);
    EXPECT_EQ(strongestAttribution(nothing, {1, 3}), QString());
}

TEST_F(AttributionPanel, ACellHasTheColourOfItsChangeAndItsNumberInWords) {
    view.setSnapshot(snapshotWith(sample()));
    AttributionMap& map = view.map();
    const QImage image = map.renderToImage(1.0);
    const ColourMap& colours_of = ColourMap::get(ColourMapName::kSeesaw, colours().dark);
    const auto corner = [&](int layer, int slot) {
        return image.pixel(map.cellRect(layer, slot).topLeft().toPoint() + QPoint(3, 3));
    };
    EXPECT_EQ(corner(0, 0) | 0xFF000000U, colours_of.at(0.5 - 1.5 / 4.0) | 0xFF000000U);
    EXPECT_EQ(corner(0, 1) | 0xFF000000U, colours_of.at(0.5 + 0.25 / 4.0) | 0xFF000000U);
    QTest::mouseClick(&map, Qt::LeftButton, {}, map.cellRect(0, 0).center().toPoint());
    EXPECT_EQ(selection.layer(), 0);
    EXPECT_EQ(selection.expert(), 5);
    EXPECT_TRUE(map.accessibleDescription().contains(u"Layer 1, expert 5, rank 1"_s));
    EXPECT_TRUE(map.accessibleDescription().contains(u"−1.500 nats"_s)) << map.accessibleDescription().toStdString();
    EXPECT_TRUE(map.accessibleDescription().contains(u"−1.7500 instead of −0.2500"_s));
    EXPECT_TRUE(map.accessibleDescription().contains(u"likelier"_s));
    QTest::keyClick(&map, Qt::Key_Right);
    EXPECT_EQ(selection.expert(), 2);
    EXPECT_TRUE(map.accessibleDescription().contains(u"less likely"_s));
    QTest::keyClick(&map, Qt::Key_Down);
    EXPECT_EQ(selection.expert(), 4);
    EXPECT_TRUE(map.accessibleDescription().contains(u"Not computed"_s));
    QTest::keyClick(&map, Qt::Key_Right);
    EXPECT_EQ(selection.expert(), 4) << "no expert ran there";
}

TEST_F(AttributionPanel, TheTitleSaysOnlyWhatTheCellsHold) {
    view.setSnapshot(snapshotWith(sample()));
    AttributionMap& map = view.map();
    EXPECT_EQ(map.axisTitle(), u"Rank of the expert; id and change in the cell"_s);
    map.resize(240, 140);
    EXPECT_EQ(map.axisTitle(), u"Rank of the expert; its id in the cell"_s);
    map.resize(140, 140);
    EXPECT_EQ(map.axisTitle(), u"Rank of the expert; point at a cell for its id"_s);
}

TEST_F(AttributionPanel, SmallChangesHaveTheirLabelsBesideTheColoursWhole) {
    AttributionSnapshot small = sample();
    for (double& change : small.changes) change *= 2e-4;  // labels "+5.0e-4", "−5.0e-4"
    view.setSnapshot(snapshotWith(small));
    ASSERT_EQ(attributionScale(small), 5e-4);
    const QImage image = view.map().renderToImage(1.0);
    int painted = 0;
    for (int y = 30; y < image.height(); ++y) {
        for (int x = image.width() - 4; x < image.width(); ++x)
            painted += image.pixelColor(x, y) != colours().base ? 1 : 0;
    }
    EXPECT_EQ(painted, 0) << "a label is cut off at the edge";
}

TEST_F(AttributionPanel, TheTableIsTheSessionsTable) {
    view.setSnapshot(snapshotWith(sample()));
    const QList<QStringList> rows = parseCsv(view.map().csv());
    ASSERT_EQ(rows.size(), 6);
    EXPECT_EQ(rows[0].join(u','), u"lane,position,id,text,logprob,layer,slot,expert,logprob_change"_s);
    EXPECT_EQ(rows[1].mid(3), (QStringList{u"b"_s, u"-0.25"_s, u"1"_s, u"0"_s, u"5"_s, u"-1.5"_s}));
    EXPECT_EQ(rows[5].mid(5), (QStringList{u"3"_s, u"1"_s, u"4"_s, QString()}));
}

TEST_F(AttributionPanel, ProgressStopAndRefusalAreShown) {
    EXPECT_TRUE(find<QToolButton>(u"attribution_measure"_s).isVisible());
    EXPECT_FALSE(find<QToolButton>(u"attribution_stop"_s).isVisible());
    AttributionSnapshot under_way = sample();
    under_way.done = 2;
    under_way.running = true;
    view.setSnapshot(snapshotWith(under_way, WorkbenchState::kAttributing));
    EXPECT_TRUE(find<QProgressBar>(u"attribution_progress"_s).isVisible());
    EXPECT_EQ(find<QProgressBar>(u"attribution_progress"_s).value(), 2);
    EXPECT_EQ(find<QProgressBar>(u"attribution_progress"_s).maximum(), 5);
    const QSignalSpy stopped(&view, &AttributionView::stopAsked);
    QTest::mouseClick(&find<QToolButton>(u"attribution_stop"_s), Qt::LeftButton);
    EXPECT_EQ(stopped.count(), 1);
    under_way.running = false;
    view.setSnapshot(snapshotWith(under_way));
    EXPECT_TRUE(find<QLabel>(u"attribution_summary"_s).text().contains(u"Stopped after 2 of 5"_s));
    AttributionSnapshot refused;
    refused.error = ErrorParts{.what = "This token was injected"};
    view.setSnapshot(snapshotWith(refused));
    EXPECT_TRUE(find<QLabel>(u"attribution_error"_s).isVisible());
    EXPECT_TRUE(find<QLabel>(u"attribution_error"_s).text().contains(u"injected"_s));
    EXPECT_EQ(parseCsv(view.map().csv()).size(), 1);
}

}  // namespace
}  // namespace mixoscope
