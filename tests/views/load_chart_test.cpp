// Load-balance and think-length charts.
#include "views/load_chart.h"

#include <gtest/gtest.h>

#include <QBarSet>
#include <QChart>
#include <QComboBox>
#include <QLabel>
#include <QLineSeries>
#include <QTest>
#include <QValueAxis>
#include <cmath>

#include "sample_snapshot_test.h"
#include "views/chart_frame.h"
#include "views/theme.h"
#include "views/think_chart.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;
using test::keepPicture;
using test::kLargeShape;
using test::SampleLane;

TEST(MeasureLayers, coversTheRowsOfItsWindowOnly) {
    SampleLane lane(kDemoShape, {.prompt = 30, .thinking = 20, .answer = 10});
    lane.feedAll();
    const SnapshotPointer snapshot = lane.snapshot();
    std::vector<std::int64_t> rows;
    EXPECT_EQ(measureLayers(snapshot->lanes[0], LoadWindow::kPrompt, {}, rows).size(), 4u);
    EXPECT_EQ(rows, (std::vector<std::int64_t>(4, 30)));
    measureLayers(snapshot->lanes[0], LoadWindow::kThinking, {}, rows);
    EXPECT_EQ(rows[0], 22) << "N and the two tags";
    measureLayers(snapshot->lanes[0], LoadWindow::kAnswer, {}, rows);
    EXPECT_EQ(rows[0], 10);
    measureLayers(snapshot->lanes[0], LoadWindow::kAll, {}, rows);
    EXPECT_EQ(rows[0], 62);
    const auto measures = measureLayers(snapshot->lanes[0], LoadWindow::kRange, {5, 15}, rows);
    EXPECT_EQ(rows[3], 10);
    EXPECT_DOUBLE_EQ(measures[3].cv, measureBalance(loadOverRange(snapshot->lanes[0].history, 3, 5, 15)).cv);
    EXPECT_TRUE(measureLayers(snapshot->lanes[0], LoadWindow::kRange, {}, rows).empty());
    EXPECT_TRUE(measureLayers(LaneSnapshot{}, LoadWindow::kAll, {}, rows).empty());
}

class LoadChartTest : public testing::Test {
protected:
    void SetUp() override {
        chart.resize(700, 280);
        chart.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&chart));
    }
    Selection selection;
    LoadChart chart{selection};
};

TEST_F(LoadChartTest, barsAreTheMeasureOfEachLayer) {
    SampleLane lane(kDemoShape);
    lane.feed(80);
    const SnapshotPointer snapshot = lane.snapshot();
    chart.setSnapshot(snapshot);
    ASSERT_EQ(chart.bars().count(), 4);
    for (int layer = 0; layer < 4; ++layer) {
        const BalanceMeasures measures = measureBalance(snapshot->lanes[0].load->allPhases(layer));
        EXPECT_DOUBLE_EQ(chart.bars().at(layer), measures.cv);
    }
    chart.findChild<QComboBox*>(u"loadMetric"_s)->setCurrentIndex(2);
    EXPECT_DOUBLE_EQ(chart.bars().at(1), measureBalance(snapshot->lanes[0].load->allPhases(1)).gini);
    chart.findChild<QComboBox*>(u"loadWindow"_s)->setCurrentIndex(1);
    EXPECT_DOUBLE_EQ(chart.bars().at(1), measureBalance(snapshot->lanes[0].load->layer(Phase::kPrompt, 1)).gini);
}

TEST_F(LoadChartTest, clickOnABarSelectsItsLayer) {
    SampleLane lane(kDemoShape);
    lane.feed(80);
    chart.setSnapshot(lane.snapshot());
    auto* frame = chart.findChild<ChartFrame*>();
    QTest::qWait(20);  // lets the scene lay itself out
    const QPointF base =
        frame->chart()->mapToPosition(QPointF(2.0, chart.bars().at(2) / 4.0), frame->chart()->series()[0]);
    QTest::mouseClick(frame->viewport(), Qt::LeftButton, {}, frame->mapFromScene(frame->chart()->mapToScene(base)));
    EXPECT_EQ(selection.layer(), 2);
    EXPECT_TRUE(chart.findChild<QLabel*>(u"loadFactsTitle"_s)->text().startsWith(u"Layer 2, all rows, T = 80"_s));
    EXPECT_TRUE(chart.bars().isBarSelected(2));
}

TEST_F(LoadChartTest, aLowChartHasFewerLabelsRatherThanCutOnes) {
    SampleLane lane(kDemoShape);
    lane.feed(80);
    chart.setSnapshot(lane.snapshot());
    auto* frame = chart.findChild<ChartFrame*>();
    auto* values = qobject_cast<QValueAxis*>(frame->chart()->axes(Qt::Vertical).front());
    int before = 100;
    for (const int height : {420, 300, 230, 200, 180}) {
        chart.resize(700, height);
        QTest::qWait(20);  // the chart's layout, and what follows from it
        EXPECT_LE(values->tickCount(), before) << height;
        EXPECT_GE(values->tickCount(), 2);
        EXPECT_GE(frame->chart()->plotArea().height() / values->tickCount(), 24.0) << "room for a label at " << height;
        EXPECT_GE(values->max(), chart.bars().at(0));
        before = values->tickCount();
        keepPicture(chart.renderToImage(1.0), u"load-%1"_s.arg(height));
    }
    EXPECT_LE(before, 3);
}

TEST_F(LoadChartTest, csvHasALineALayerWithItsFloor) {
    SampleLane lane(kDemoShape);
    lane.feed(80);
    chart.setSnapshot(lane.snapshot());
    const auto rows = parseCsv(chart.csv());
    ASSERT_EQ(rows.size(), 5);
    EXPECT_EQ(rows[1].size(), rows[0].size());
    EXPECT_NEAR(rows[1][4].toDouble(), std::sqrt((32.0 / 4.0 - 1.0) / 80.0), 1e-6);
}

TEST_F(LoadChartTest, pictures) {
    keepPicture(chart.renderToImage(1.0), u"load-empty"_s);
    SampleLane lane(kLargeShape, {.prompt = 48, .thinking = 200, .answer = 0, .budget = 1024});
    lane.feed(234);
    SampleLane demo(kDemoShape);
    demo.feedAll();
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        const QString theme = colours().dark ? u"dark"_s : u"light"_s;
        selection.setLayer(23);
        chart.setWindow(LoadWindow::kThinking);
        chart.setMetric(LoadMetric::kCv);
        chart.setSnapshot(lane.snapshot());
        keepPicture(chart.renderToImage(1.0), u"load-large-"_s + theme);
        selection.setLayer(2);
        chart.setWindow(LoadWindow::kAll);
        chart.setMetric(LoadMetric::kGini);
        chart.setSnapshot(demo.snapshot());
        keepPicture(chart.renderToImage(1.0), u"load-demo-"_s + theme);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

SnapshotPointer snapshotOfTurns(const std::vector<std::pair<int, std::int32_t>>& turns) {
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->lanes.resize(1);
    for (const auto& [thinking, budget] : turns) {
        TurnFacts turn;
        turn.thinking_tokens = thinking;
        turn.budget_at_end = budget;
        turn.block_opened = turn.block_closed = true;
        turn.closed_by_budget = thinking == budget;
        snapshot->lanes[0].turns.push_back(turn);
    }
    return snapshot;
}

TEST(ThinkChart, barsAreNAndStepsAreB) {
    Selection selection;
    ThinkChart chart(selection);
    chart.resize(520, 260);
    chart.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&chart));
    keepPicture(chart.renderToImage(1.0), u"think-empty"_s);
    chart.setSnapshot(snapshotOfTurns({{70, kUnlimitedBudget}, {32, 32}, {51, 128}}));
    ASSERT_EQ(chart.bars().count(), 3);
    EXPECT_EQ(chart.bars().at(1), 32.0);
    ASSERT_EQ(chart.budgetLine().count(), 6);
    EXPECT_EQ(chart.budgetLine().at(2), QPointF(0.5, 32.0));
    EXPECT_EQ(chart.budgetLine().at(5), QPointF(2.5, 128.0));
    EXPECT_GT(chart.budgetLine().at(0).y(), 128.0) << "unlimited is above every number";
    const auto rows = parseCsv(chart.csv());
    ASSERT_EQ(rows.size(), 4);
    EXPECT_EQ(rows[1][2], u"unlimited"_s);
    EXPECT_EQ(rows[2][5], u"budget"_s);
    // A click on a bar shows that turn; one on the newest follows the chat again.
    auto* frame = chart.findChild<ChartFrame*>();
    const auto clickBar = [&](int turn) {
        QTest::qWait(20);  // lets the scene lay itself out
        const QPointF middle =
            frame->chart()->mapToPosition(QPointF(turn, chart.bars().at(turn) / 2.0), frame->chart()->series()[0]);
        QTest::mouseClick(frame->viewport(), Qt::LeftButton, {},
                          frame->mapFromScene(frame->chart()->mapToScene(middle)));
    };
    clickBar(0);
    EXPECT_EQ(selection.turn(), 0);
    clickBar(2);
    EXPECT_EQ(selection.turn(), -1);
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        QTest::qWait(20);
        keepPicture(chart.renderToImage(1.0), colours().dark ? u"think-dark"_s : u"think-light"_s);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

}  // namespace
}  // namespace mixoscope
