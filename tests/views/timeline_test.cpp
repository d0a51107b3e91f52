#include "views/timeline.h"

#include <gtest/gtest.h>

#include <QApplication>
#include <QTest>
#include <QWheelEvent>
#include <cmath>

#include "sample_snapshot_test.h"
#include "views/theme.h"
#include "views/token_strip.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;
using test::keepPicture;
using test::SampleLane;

TEST(TimelineData, growsWithTheSequenceAndFillsInTheRoutingOfTheNewest) {
    SampleLane lane(kDemoShape, {.prompt = 10, .thinking = 20, .answer = 5, .budget = 64});
    TimelineData data;
    while (lane.feed(1)) data.update(lane.snapshot()->lanes[0].history);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    data.update(history);
    ASSERT_EQ(data.entropy().size(), static_cast<std::size_t>(history.tokenCount()));
    for (std::int32_t position = 0; position < history.rowCount(); ++position) {
        EXPECT_FLOAT_EQ(data.entropy()[position], static_cast<float>(meanEntropy(history, position))) << position;
    }
    EXPECT_EQ(data.thinking()[5], -1);
    EXPECT_EQ(data.thinking()[15], 5);
    EXPECT_EQ(data.budget()[15], 64);
    EXPECT_EQ(data.thinking()[34], -1) << "the answer is outside the block";
    EXPECT_EQ(data.budget()[34], -1) << "and has no budget";
}

TEST(TimelineMarks, belongToTheirTurn) {
    LaneSnapshot lane;
    lane.turns.resize(2);
    const auto event = [&](LaneEventKind kind, std::int32_t position, std::int64_t old_value, std::int64_t value) {
        LaneEvent made;
        made.kind = kind;
        made.position = position;
        made.step = position;
        made.old_value = old_value;
        made.value = value;
        lane.events.push_back(made);
    };
    event(LaneEventKind::kTurnStarted, 0, 0, 40);
    event(LaneEventKind::kBudgetChanged, 60, kUnlimitedBudget, 128);
    event(LaneEventKind::kEarlyStopChanged, 61, 0, 0);
    const std::string text = R"({"early_stop":"so</think>"})";
    std::copy(text.begin(), text.end(), lane.events.back().text);
    event(LaneEventKind::kFinished, 100, 0, 1);
    event(LaneEventKind::kMaxTokensChanged, 100, 0, 1200);  // between the turns
    event(LaneEventKind::kTurnStarted, 50, 0, 20);
    event(LaneEventKind::kAnswerNow, 90, 0, 12);
    event(LaneEventKind::kIgnoreEosChanged, 91, 0, 1);
    const auto first = marksOfTurn(lane, 0);
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first[0].label, u"budget ∞ → 128"_s);
    EXPECT_TRUE(first[0].details.contains(u"step 60"_s));
    EXPECT_EQ(first[1].label, u"early stop changed"_s);
    EXPECT_TRUE(first[1].details.contains(u"so</think>"_s));
    const auto newest = marksOfTurn(lane, -1);
    ASSERT_EQ(newest.size(), 3u);
    EXPECT_EQ(newest[0].label, u"turn limit none → 1,200"_s);
    EXPECT_EQ(newest[0].position, 50) << "acts from the next turn's first row on";
    EXPECT_EQ(newest[1].label, u"answer now at N = 12"_s);
    EXPECT_EQ(newest[2].label, u"goes on after the end of the turn"_s);
}

class TimelineTest : public testing::Test {
protected:
    void SetUp() override {
        timeline.resize(1000, 160);
        timeline.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&timeline));
    }
    QPoint pointOf(double token) { return QPointF(timeline.axis().toX(token + 0.5), 60).toPoint(); }
    void drag(double from, double to) {
        QTest::mousePress(&timeline, Qt::LeftButton, {}, pointOf(from));
        QMouseEvent move(QEvent::MouseMove, pointOf(to), timeline.mapToGlobal(pointOf(to)), Qt::NoButton,
                         Qt::LeftButton, {});
        QApplication::sendEvent(&timeline, &move);
        QTest::mouseRelease(&timeline, Qt::LeftButton, {}, pointOf(to));
    }
    SampleLane lane{kDemoShape, {.prompt = 41, .thinking = 70, .answer = 10, .budget = 128}};
    Selection selection;
    Timeline timeline{selection};
};

TEST_F(TimelineTest, dragSelectsARangeAndAClickEndsIt) {
    lane.feedAll();
    timeline.setSnapshot(lane.snapshot());
    drag(56, 83);
    EXPECT_EQ(selection.range(), (TokenRange{56, 84}));
    QTest::mouseClick(&timeline, Qt::LeftButton, {}, pointOf(67));
    EXPECT_EQ(selection.token(), 67);
    EXPECT_TRUE(selection.range().isEmpty());
    QTest::keyClick(&timeline, Qt::Key_Left);
    EXPECT_EQ(selection.token(), 66);
}

TEST_F(TimelineTest, wheelZoomsAboutThePointerAndBackToEverything) {
    lane.feedAll();
    timeline.setSnapshot(lane.snapshot());
    const std::int32_t tokens = timeline.axis().tokenCount();
    EXPECT_EQ(timeline.axis().endVisible() - timeline.axis().firstVisible(), tokens);
    const QPoint at = pointOf(60);
    const double before = timeline.axis().toPosition(at.x());
    const auto wheel = [&](int notches) {
        QWheelEvent event(at, timeline.mapToGlobal(at), {}, QPoint(0, 120 * notches), Qt::NoButton, {},
                          Qt::NoScrollPhase, false);
        QApplication::sendEvent(&timeline, &event);
    };
    wheel(4);
    EXPECT_NEAR(timeline.axis().toPosition(at.x()), before, 1e-6);
    EXPECT_LT(timeline.axis().endVisible() - timeline.axis().firstVisible(), tokens);
    wheel(-10);
    EXPECT_EQ(timeline.axis().firstVisible(), 0);
    EXPECT_TRUE(timeline.axis().follow());
}

TEST_F(TimelineTest, keysZoomAboutTheCursorAndBackToEverything) {
    lane.feedAll();
    timeline.setSnapshot(lane.snapshot());
    selection.setToken(60);
    const std::int32_t tokens = timeline.axis().tokenCount();
    const double before = timeline.axis().toX(60.5);
    QTest::keyClick(&timeline, Qt::Key_Plus);
    EXPECT_LT(timeline.axis().endVisible() - timeline.axis().firstVisible(), tokens);
    EXPECT_NEAR(timeline.axis().toX(60.5), before, 1e-6);
    for (int i = 0; i < 3; ++i) QTest::keyClick(&timeline, Qt::Key_Minus);
    EXPECT_EQ(timeline.axis().firstVisible(), 0);
    EXPECT_EQ(timeline.axis().endVisible(), tokens);
    EXPECT_TRUE(timeline.axis().follow());
}

TEST_F(TimelineTest, csvHasEveryToken) {
    lane.feedAll();
    timeline.setSnapshot(lane.snapshot());
    const auto rows = parseCsv(timeline.csv());
    EXPECT_EQ(rows.size(), 1 + timeline.axis().tokenCount());
    EXPECT_EQ(rows[60], (QStringList{u"59"_s, u"thinking"_s, u"0"_s, u"18"_s, u"128"_s, rows[60][5]}));
}

TEST_F(TimelineTest, pictures) {
    keepPicture(timeline.renderToImage(1.0), u"timeline-empty"_s);
    lane.feed(66);
    LaneEvent change;
    change.kind = LaneEventKind::kBudgetChanged;
    change.position = 66;
    change.step = 26;
    change.old_value = 128;
    change.value = 96;
    lane.add(change);
    lane.feed(40);
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        timeline.setSnapshot(lane.snapshot());
        selection.setToken(80);
        selection.setRange({56, 84});
        keepPicture(timeline.renderToImage(1.0), colours().dark ? u"timeline-dark"_s : u"timeline-light"_s);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
    timeline.resize(640, 92);
    keepPicture(timeline.renderToImage(1.0), u"timeline-low"_s);
}

}  // namespace
}  // namespace mixoscope
