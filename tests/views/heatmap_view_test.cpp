#include "views/heatmap_view.h"

#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QComboBox>
#include <QLabel>
#include <QScrollBar>
#include <QTableView>
#include <QTest>
#include <QToolButton>
#include <QWheelEvent>
#include <algorithm>

#include "sample_snapshot_test.h"
#include "views/models/heatmap_table_model.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;
using test::keepPicture;
using test::kLargeShape;
using test::SampleLane;

class HeatmapViewTest : public testing::Test {
protected:
    void SetUp() override {
        view.resize(760, 520);
        view.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&view));
    }
    QPoint pointOf(double token, std::int32_t row, std::int32_t rows) {
        const QRectF& plot = view.canvas().layoutRects().plot;
        return QPointF(view.canvas().axis().toX(token + 0.5), plot.top() + (row + 0.5) * plot.height() / rows)
            .toPoint();
    }
    void turnWheel(QPoint at, int notches, Qt::KeyboardModifiers modifiers) {
        QWheelEvent event(at, view.canvas().mapToGlobal(at), {}, QPoint(0, 120 * notches), Qt::NoButton, modifiers,
                          Qt::NoScrollPhase, false);
        QApplication::sendEvent(&view.canvas(), &event);
    }

    Selection selection;
    HeatmapView view{selection};
};

TEST_F(HeatmapViewTest, cellsOnScreenHaveTheColourOfTheirWeight) {
    SampleLane lane(kDemoShape);
    lane.feed(24);
    view.setSnapshot(lane.snapshot());
    const History& history = view.canvas().history();
    const QImage screen = view.canvas().grab().toImage();
    const ColourMap& map = ColourMap::get(ColourMapName::kTide, false);
    for (std::int32_t token = 0; token < 24; ++token) {
        for (std::int32_t expert = 0; expert < 32; ++expert) {
            float weight = 0.0F;
            for (int slot = 0; slot < 4; ++slot) {
                if (history.experts(token, 0)[slot] == expert) weight = history.weights(token, 0)[slot];
            }
            // Off the centre, where a wide cell has its number.
            const QPoint place = pointOf(token - 0.35, expert, 32);
            EXPECT_EQ(screen.pixel(place), map.at(weight / weightScale(4))) << token << ' ' << expert;
        }
    }
}

TEST_F(HeatmapViewTest, doubleClickOrEnterOpensAnExpert) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    int opened = 0;
    QObject::connect(&view.canvas(), &HeatmapCanvas::expertOpened, &view, [&] { ++opened; });
    const QPoint place = pointOf(17, 9, 32);
    QTest::mouseClick(&view.canvas(), Qt::LeftButton, {}, place);
    EXPECT_EQ(opened, 0);
    QTest::mouseDClick(&view.canvas(), Qt::LeftButton, {}, place);
    EXPECT_EQ(opened, 1);
    EXPECT_EQ(selection.expert(), 9);
    QTest::keyClick(&view.canvas(), Qt::Key_Return);
    EXPECT_EQ(opened, 2);
    view.setProjection(Projection::kLayerExpert);
    QTest::mouseDClick(&view.canvas(), Qt::LeftButton, {}, pointOf(20, 3, 4));
    EXPECT_EQ(opened, 3);
    EXPECT_EQ(selection.layer(), 3);
    view.setProjection(Projection::kLayerToken);
    QTest::mouseDClick(&view.canvas(), Qt::LeftButton, {}, pointOf(20, 3, 4));
    EXPECT_EQ(opened, 3) << "there is no expert in this projection";
}

TEST_F(HeatmapViewTest, clickSelectsTokenAndExpert) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    QTest::mouseClick(&view.canvas(), Qt::LeftButton, {}, pointOf(17, 9, 32));
    EXPECT_EQ(selection.token(), 17);
    EXPECT_EQ(selection.expert(), 9);
    EXPECT_TRUE(selection.range().isEmpty());
    EXPECT_TRUE(view.canvas().accessibleDescription().contains(u"position 17"_s));
    QTest::mouseClick(&view.canvas(), Qt::LeftButton, Qt::ShiftModifier, pointOf(21, 9, 32));
    EXPECT_EQ(selection.range(), (TokenRange{17, 22}));
}

TEST_F(HeatmapViewTest, dragSelectsARange) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    QTest::mousePress(&view.canvas(), Qt::LeftButton, {}, pointOf(40, 5, 32));
    QTest::mouseMove(&view.canvas(), pointOf(30, 5, 32));
    QMouseEvent move(QEvent::MouseMove, pointOf(22, 8, 32), view.canvas().mapToGlobal(pointOf(22, 8, 32)), Qt::NoButton,
                     Qt::LeftButton, {});
    QApplication::sendEvent(&view.canvas(), &move);
    QTest::mouseRelease(&view.canvas(), Qt::LeftButton, {}, pointOf(22, 8, 32));
    EXPECT_EQ(selection.range(), (TokenRange{22, 41}));
    EXPECT_EQ(selection.token(), -1) << "a drag is no click";
    keepPicture(view.renderToImage(1.0), u"heatmap-range"_s);
}

TEST_F(HeatmapViewTest, keyboardMovesTheSharedCursor) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    view.canvas().setFocus();
    QTest::keyClick(&view.canvas(), Qt::Key_Left);
    EXPECT_EQ(selection.token(), 59) << "the first press goes to the newest";
    QTest::keyClick(&view.canvas(), Qt::Key_PageUp);
    EXPECT_EQ(selection.token(), 49);
    QTest::keyClick(&view.canvas(), Qt::Key_Home);
    EXPECT_EQ(selection.token(), 0);
    QTest::keyClick(&view.canvas(), Qt::Key_Right);
    QTest::keyClick(&view.canvas(), Qt::Key_Down);
    EXPECT_EQ(selection.token(), 1);
    EXPECT_EQ(selection.expert(), 0) << "the first press goes to the first row";
    QTest::keyClick(&view.canvas(), Qt::Key_BracketRight);
    EXPECT_EQ(selection.layer(), 1);
    QTest::keyClick(&view.canvas(), Qt::Key_BracketLeft);
    QTest::keyClick(&view.canvas(), Qt::Key_BracketLeft);
    EXPECT_EQ(selection.layer(), 0);
    QTest::keyClick(&view.canvas(), Qt::Key_End, Qt::ShiftModifier);
    EXPECT_EQ(selection.range(), (TokenRange{1, 60}));
    QTest::keyClick(&view.canvas(), Qt::Key_Escape);
    EXPECT_EQ(selection.token(), -1);
}

TEST_F(HeatmapViewTest, followEndsWithAPanAndComesBack) {
    SampleLane lane(kDemoShape, {.prompt = 500, .thinking = 500});
    lane.feed(700);
    view.setSnapshot(lane.snapshot());
    auto* follow = view.findChild<QToolButton*>(u"heatmapFollow"_s);
    ASSERT_NE(follow, nullptr);
    EXPECT_TRUE(follow->isChecked());
    EXPECT_EQ(view.canvas().axis().endVisible(), 700);
    turnWheel(pointOf(650, 3, 32), 2, Qt::ShiftModifier);
    EXPECT_FALSE(follow->isChecked());
    const std::int32_t first = view.canvas().axis().firstVisible();
    lane.feed(50);
    view.setSnapshot(lane.snapshot());
    EXPECT_EQ(view.canvas().axis().firstVisible(), first);
    QTest::mouseClick(follow, Qt::LeftButton);
    EXPECT_EQ(view.canvas().axis().endVisible(), 750);
}

TEST_F(HeatmapViewTest, wheelZoomsAboutThePointerAndTheAxisSaysWhatAColumnIs) {
    SampleLane lane(kDemoShape, {.prompt = 2000, .thinking = 500});
    lane.feed(2000);
    view.setSnapshot(lane.snapshot());
    view.canvas().setFollow(false);
    const QPoint at = pointOf(1900, 3, 32);
    const double before = view.canvas().axis().toPosition(at.x());
    turnWheel(at, 1, {});
    EXPECT_NEAR(view.canvas().axis().toPosition(at.x()), before, 1e-6);
    turnWheel(at, -30, {});
    EXPECT_EQ(view.canvas().axis().firstVisible(), 0);
    EXPECT_TRUE(view.canvas().axisTitle(Qt::Horizontal).contains(u"largest of 8"_s))
        << view.canvas().axisTitle(Qt::Horizontal).toStdString();
    view.setProjection(Projection::kLayerToken);
    EXPECT_TRUE(view.canvas().axisTitle(Qt::Horizontal).contains(u"mean of 8"_s));
}

TEST_F(HeatmapViewTest, layerStepperNamesTheLayerAndStopsAtTheEnds) {
    SampleLane lane(kDemoShape);
    lane.feed(10);
    view.setSnapshot(lane.snapshot());
    auto* next = view.findChild<QToolButton*>(u"nextLayer"_s);
    auto* label = view.findChild<QLabel*>(u"layerLabel"_s);
    EXPECT_EQ(label->text(), u"0 / 3"_s);
    for (int i = 0; i < 5; ++i) QTest::mouseClick(next, Qt::LeftButton);
    EXPECT_EQ(label->text(), u"3 / 3"_s);
    EXPECT_FALSE(next->isEnabled());
}

TEST_F(HeatmapViewTest, layerByExpertFollowsTheSelectedToken) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    view.setProjection(Projection::kLayerExpert);
    EXPECT_TRUE(view.canvas().isEmpty()) << "no token selected";
    keepPicture(view.renderToImage(1.0), u"heatmap-layer-expert-empty"_s);
    selection.setToken(44);
    ASSERT_FALSE(view.canvas().isEmpty());
    const HeatmapData data = view.canvas().visibleData();
    EXPECT_EQ(data.at(2, view.canvas().history().experts(44, 2)[0]), view.canvas().history().weights(44, 2)[0]);
    view.canvas().setScope(LayerExpertScope::kAll);
    EXPECT_EQ(view.canvas().visibleData().value, HeatmapValue::kShare);
}

TEST_F(HeatmapViewTest, hoverIsSharedAndEndsWithThePointer) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    QTest::mouseMove(&view.canvas(), pointOf(12, 4, 32));
    EXPECT_EQ(selection.hover(), (Hover{.token = 12, .layer = 0, .expert = 4}));
    QEvent leave(QEvent::Leave);
    QApplication::sendEvent(&view.canvas(), &leave);
    EXPECT_EQ(selection.hover(), Hover{});
}

TEST_F(HeatmapViewTest, rowsKeepTwoPixelsAndScrollWhereThePlotIsLow) {
    SampleLane lane(kLargeShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    auto* rows = view.findChild<QScrollBar*>(u"heatmapRows"_s);
    EXPECT_FALSE(rows->isVisible());
    EXPECT_EQ(view.canvas().visibleRows(), 128);
    view.resize(760, 300);
    QApplication::sendPostedEvents();
    const double height = view.canvas().layoutRects().plot.height();
    ASSERT_LT(height, 2.0 * 128);
    EXPECT_TRUE(rows->isVisible());
    EXPECT_EQ(view.canvas().visibleRows(), static_cast<int>(height / 2.0));
    // The last row in sight is where the scroll bar says, in the picture and under the pointer.
    rows->setValue(rows->maximum());
    EXPECT_EQ(view.canvas().topRow() + view.canvas().visibleRows(), 128);
    const QRectF plot = view.canvas().layoutRects().plot;
    EXPECT_EQ(view.canvas().rowAt(plot.topLeft() + QPointF(3, 1)), view.canvas().topRow());
    const History& history = view.canvas().history();
    const ColourMap& map = ColourMap::get(ColourMapName::kTide, false);
    const QImage screen = view.canvas().grab().toImage();
    for (std::int32_t token = 0; token < 60; ++token) {
        const auto experts = history.experts(token, 0);
        for (std::int32_t row = view.canvas().topRow() + 1; row < 127; ++row) {
            const auto slot = std::find(experts.begin(), experts.end(), row) - experts.begin();
            const float weight = slot < 8 ? history.weights(token, 0)[slot] : 0.0F;
            const QPoint place =
                QPointF(view.canvas().axis().toX(token + 0.5), plot.top() + (row - view.canvas().topRow() + 0.5) * 2.0)
                    .toPoint();
            EXPECT_EQ(screen.pixel(place), map.at(weight / weightScale(8))) << token << ' ' << row;
        }
    }
    // An expert selected elsewhere comes into sight.
    selection.setExpert(2);
    EXPECT_EQ(view.canvas().topRow(), 2);
    EXPECT_EQ(rows->value(), 2);
    turnWheel(plot.center().toPoint(), -1, Qt::ControlModifier);
    EXPECT_EQ(view.canvas().topRow(), 10);
    keepPicture(view.renderToImage(1.0), u"heatmap-low"_s);
    view.resize(760, 520);
}

TEST_F(HeatmapViewTest, cividisIsAChoiceForValuesWithoutAZero) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    view.setProjection(Projection::kLayerToken);
    const auto colourOfFirstCell = [&] { return view.canvas().grab().toImage().pixel(pointOf(20, 1, 4)); };
    const auto isOf = [&](ColourMapName name) {
        const auto& entries = ColourMap::get(name, false).entries();
        return std::find(entries.begin(), entries.end(), colourOfFirstCell()) != entries.end();
    };
    EXPECT_TRUE(isOf(ColourMapName::kViridis));
    view.canvas().setDenseMap(ColourMapName::kCividis);
    EXPECT_TRUE(isOf(ColourMapName::kCividis));
    keepPicture(view.renderToImage(1.0), u"heatmap-layer-token-cividis"_s);
    view.setProjection(Projection::kExpertToken);
    const std::int32_t expert = view.canvas().history().experts(20, 0)[0];
    const float weight = view.canvas().history().weights(20, 0)[0];
    EXPECT_EQ(view.canvas().grab().toImage().pixel(pointOf(20, expert, 32)),
              ColourMap::get(ColourMapName::kTide, false).at(weight / weightScale(4)))
        << "weights keep their own map";
}

TEST_F(HeatmapViewTest, csvHoldsExactlyTheChosenExpertsShown) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    view.setSnapshot(lane.snapshot());
    const QStringList lines = view.csv().split(u'\n', Qt::SkipEmptyParts);
    EXPECT_EQ(lines.front(), u"expert,position,weight"_s);
    EXPECT_EQ(lines.size(), 1 + 60 * 4);
}

TEST_F(HeatmapViewTest, tableTwinShowsTheSameCells) {
    SampleLane lane(kDemoShape);
    lane.feed(30);
    view.setSnapshot(lane.snapshot());
    view.showTable(&view);
    auto* table = view.findChild<QTableView*>();
    ASSERT_NE(table, nullptr);
    const QAbstractItemModelTester tester(table->model(), QAbstractItemModelTester::FailureReportingMode::Fatal);
    EXPECT_EQ(table->model()->rowCount(), 32);
    EXPECT_EQ(table->model()->columnCount(), 30);
    const std::int32_t expert = view.canvas().history().experts(7, 0)[0];
    const float weight = view.canvas().history().weights(7, 0)[0];
    EXPECT_EQ(table->model()->index(expert, 7).data().toString(), QString::number(weight, 'f', 4));
    EXPECT_EQ(table->model()->headerData(7, Qt::Horizontal).toString(), u"7"_s);
}

TEST_F(HeatmapViewTest, emptyStateSaysWhatToDoNext) {
    view.setSnapshot(std::make_shared<WorkbenchSnapshot>());
    EXPECT_TRUE(view.canvas().isEmpty());
    EXPECT_EQ(view.csv(), u"expert,position,weight\n"_s);
    keepPicture(view.renderToImage(1.0), u"heatmap-empty"_s);
}

TEST_F(HeatmapViewTest, picturesInBothThemesAndTwoDensities) {
    SampleLane demo(kDemoShape, {.prompt = 41, .thinking = 70, .answer = 10, .budget = 70, .cut_by_budget = true});
    demo.feedAll();
    SampleLane large(kLargeShape, {.prompt = 48, .thinking = 200, .answer = 0, .budget = 1024});
    large.feed(234);
    const SnapshotPointer small_snapshot = demo.snapshot();
    const SnapshotPointer large_snapshot = large.snapshot();
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        const QString theme = colours().dark ? u"dark"_s : u"light"_s;
        selection.setLayer(2);
        selection.setToken(67);
        selection.setExpert(17);
        view.setProjection(Projection::kExpertToken);
        view.setSnapshot(small_snapshot);
        keepPicture(view.renderToImage(1.0), u"heatmap-expert-token-demo-"_s + theme);
        view.setProjection(Projection::kLayerExpert);
        view.canvas().setScope(LayerExpertScope::kToken);
        keepPicture(view.renderToImage(1.0), u"heatmap-layer-expert-"_s + theme);
        view.setProjection(Projection::kLayerToken);
        keepPicture(view.renderToImage(1.0), u"heatmap-layer-token-"_s + theme);
        selection.setToken(205);
        selection.setLayer(23);
        view.setProjection(Projection::kExpertToken);
        view.setSnapshot(large_snapshot);
        keepPicture(view.renderToImage(2.0), u"heatmap-expert-token-large-2x-"_s + theme);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

}  // namespace
}  // namespace mixoscope
