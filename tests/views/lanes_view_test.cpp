// Lanes side by side as a widget: markers, selection in all lanes, follow, maps, tables.
#include "views/lanes_view.h"

#include <gtest/gtest.h>

#include <QApplication>
#include <QDialog>
#include <QHeaderView>
#include <QLabel>
#include <QScrollBar>
#include <QTableView>
#include <QTest>
#include <QWheelEvent>
#include <set>

#include "sample_comparison_test.h"
#include "sample_snapshot_test.h"
#include "views/composer.h"
#include "views/difference_map_view.h"
#include "views/lane_header.h"
#include "views/lane_style.h"
#include "views/lanes_text.h"
#include "views/metrics_view.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::sampleComparison;
using test::sampleLane;
using test::snapshotOf;

std::vector<std::string> words(int count, int changed = -1) {
    std::vector<std::string> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(i == changed ? " other" : " word" + std::to_string(i % 7));
    return tokens;
}

class LanesViewTest : public testing::Test {
protected:
    void show(std::shared_ptr<const ComparisonSnapshot> comparison, QSize size = {1400, 700}) {
        view.resize(size);
        view.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&view));
        view.setSnapshot(snapshotOf(std::move(comparison)));
        QTest::qWait(0);
    }
    QScrollBar& scroll() { return *view.findChild<QScrollBar*>(u"lanes_scroll"_s); }
    /// How many pixels of a token's cell are of this colour.
    int pixels(std::size_t lane, std::int32_t token, const QColor& colour) {
        const QRect cell = view.text().tokenRect(lane, token).toAlignedRect();
        const QImage image = view.text().grab(cell).toImage();
        int count = 0;
        for (int y = 0; y < image.height(); ++y) {
            for (int x = 0; x < image.width(); ++x) count += image.pixelColor(x, y) == colour ? 1 : 0;
        }
        return count;
    }

    Selection selection;
    LanesView view{selection};
};

TEST_F(LanesViewTest, HeadersSayWhereALaneLeavesTheBaseline) {
    ComparedLane with_note = sampleLane(1, "top-k:k=1", {.tokens = words(30, 9)});
    with_note.notes = {"capacity: acts on the prompt only"};
    ASSERT_NO_FATAL_FAILURE(show(sampleComparison({sampleLane(0, "model", {.tokens = words(30)}), with_note,
                                                   sampleLane(2, "any-experts", {.tokens = words(30)}),
                                                   sampleLane(3, "random", {.tokens = words(20), .ended = false})})));
    EXPECT_EQ(view.header(0).verdict(), u"baseline"_s);
    EXPECT_EQ(view.header(1).verdict(), u"≠ A from token 9"_s);
    EXPECT_EQ(view.header(2).verdict(), u"= A"_s);
    EXPECT_EQ(view.header(3).verdict(), u"= A so far"_s);
    EXPECT_EQ(view.header(1).notes(), u"capacity: acts on the prompt only"_s);
    EXPECT_TRUE(view.header(1).facts().contains(u"N 30 / unlimited"_s)) << view.header(1).facts().toStdString();
    EXPECT_TRUE(view.header(1).facts().contains(u"greedy"_s));
}

TEST_F(LanesViewTest, NarrowHeadersSayLessSoThatThePolicyHasRoom) {
    ASSERT_NO_FATAL_FAILURE(show(sampleComparison({sampleLane(0, "model", {.tokens = words(30)}),
                                                   sampleLane(1, "top-k:k=8,phase=thinking", {.tokens = words(30, 9)}),
                                                   sampleLane(2, "random", {.tokens = words(30)})})));
    auto& shown = *view.header(1).findChild<QLabel*>(u"lane_verdict"_s);
    EXPECT_EQ(shown.text(), u"≠ A from token 9"_s);
    view.resize(960, 700);
    QTest::qWait(0);
    EXPECT_EQ(shown.text(), u"≠ 9"_s);
    EXPECT_EQ(view.header(1).verdict(), u"≠ A from token 9"_s) << "as it is told to who does not see it";
    EXPECT_TRUE(shown.toolTip().contains(u"≠ A from token 9"_s));
    EXPECT_EQ(view.header(2).findChild<QLabel*>(u"lane_verdict"_s)->text(), u"= A"_s);
}

TEST_F(LanesViewTest, TheFirstDifferenceIsFramedAndLaterOnesAreTinted) {
    std::vector<std::string> other = words(30, 3);
    other[5] = " more";
    ASSERT_NO_FATAL_FAILURE(show(
        sampleComparison({sampleLane(0, "model", {.tokens = words(30)}), sampleLane(1, "random", {.tokens = other})})));
    EXPECT_GT(pixels(1, 3, laneColour(1)), 20);
    EXPECT_EQ(pixels(1, 5, laneColour(1)), 0);
    EXPECT_EQ(pixels(1, 1, laneColour(1)), 0);
    // A cell without a tint is mostly the panel's colour.
    const int plain = pixels(1, 2, colours().base);
    EXPECT_GT(plain, 50);
    EXPECT_LT(pixels(1, 5, colours().base), plain / 2);
    EXPECT_GT(pixels(0, 3, colours().base), 50) << "the baseline differs from nothing";
}

TEST_F(LanesViewTest, PointingAndClickingSelectTheTokenInAllLanes) {
    ASSERT_NO_FATAL_FAILURE(show(sampleComparison(
        {sampleLane(0, "model", {.tokens = words(30)}), sampleLane(1, "random", {.tokens = words(30, 2)})})));
    LanesText& text = view.text();
    scroll().setValue(0);
    QTest::mouseMove(&text, text.tokenRect(1, 4).center().toPoint());
    EXPECT_EQ(selection.hover().token, 4);
    EXPECT_GT(pixels(0, 4, colours().accent), 10) << "the same token of the baseline";
    QTest::mouseClick(&text, Qt::LeftButton, {}, text.tokenRect(1, 4).center().toPoint());
    EXPECT_EQ(selection.token(), 4);
    EXPECT_EQ(selection.lane(), 11);
    QTest::mouseClick(&text, Qt::LeftButton, Qt::ShiftModifier, text.tokenRect(0, 6).center().toPoint());
    EXPECT_EQ(selection.range(), (TokenRange{4, 7}));
    QTest::keyClick(&text, Qt::Key_End);
    EXPECT_EQ(selection.token(), 29);
    QTest::keyClick(&text, Qt::Key_Up);
    EXPECT_EQ(selection.token(), 29 - text.rows().tokensPerRow());
    QTest::keyClick(&text, Qt::Key_Escape);
    EXPECT_EQ(selection.token(), -1);
}

TEST_F(LanesViewTest, TheNewestTokenStaysInSightUntilSomeoneScrollsUp) {
    const auto lanes = [](int tokens) {
        return sampleComparison({sampleLane(0, "model", {.tokens = words(tokens), .ended = false}),
                                 sampleLane(1, "random", {.tokens = words(tokens), .ended = false})});
    };
    ASSERT_NO_FATAL_FAILURE(show(lanes(900)));
    EXPECT_GT(scroll().maximum(), 0);
    EXPECT_EQ(scroll().value(), scroll().maximum());
    view.setSnapshot(snapshotOf(lanes(1200)));
    EXPECT_EQ(scroll().value(), scroll().maximum());
    const QPointF middle = view.text().rect().center();
    QWheelEvent up(middle, view.text().mapToGlobal(middle), {}, QPoint(0, 240), Qt::NoButton, Qt::NoModifier,
                   Qt::NoScrollPhase, false);
    QApplication::sendEvent(&view.text(), &up);
    const int stayed = scroll().value();
    EXPECT_LT(stayed, scroll().maximum());
    view.setSnapshot(snapshotOf(lanes(1500)));
    EXPECT_EQ(scroll().value(), stayed);
}

TEST_F(LanesViewTest, MapsShowTheDifferenceAndShareThePointer) {
    ASSERT_NO_FATAL_FAILURE(
        show(sampleComparison({sampleLane(0, "model", {.tokens = words(30), .experts = {0, 1}}),
                               sampleLane(1, "random", {.tokens = words(30), .experts = {1, 2}})})));
    ASSERT_TRUE(QTest::qWaitFor([this] { return view.map(1).map().data.rows == 2; }));
    DifferenceMapView& map = view.map(1);
    const ColourMap& seesaw = ColourMap::get(ColourMapName::kSeesaw, false);
    EXPECT_EQ(map.cells().pixel(0, 0), seesaw.at(0.0));
    EXPECT_EQ(map.cells().pixel(2, 1), seesaw.at(1.0));
    EXPECT_EQ(view.map(0).cells().pixel(0, 0), ColourMap::get(ColourMapName::kTide, false).at(1.0));
    const QRectF plot = map.plot();
    QTest::mouseMove(&map, QPointF(plot.left() + plot.width() * 2.5 / 8, plot.top() + plot.height() * 0.75).toPoint());
    EXPECT_EQ(selection.hover().expert, 2);
    EXPECT_EQ(selection.hover().layer, 1);
    // Layers carry the model's own numbers.
    EXPECT_TRUE(map.csv().startsWith(u"layer,expert,value\n1,0,-50\n"_s)) << map.csv().left(60).toStdString();
}

TEST_F(LanesViewTest, TheTableTwinHoldsEveryTokenOfEveryLane) {
    ASSERT_NO_FATAL_FAILURE(show(sampleComparison(
        {sampleLane(0, "model", {.tokens = words(30)}), sampleLane(1, "random", {.tokens = words(12, 2)})})));
    view.showTable(&view);
    auto* table = view.findChild<QDialog*>(u"tableTwin"_s)->findChild<QTableView*>();
    ASSERT_NE(table, nullptr);
    EXPECT_EQ(table->model()->rowCount(), 42);
    const QList<QStringList> rows = parseCsv(view.csv());
    EXPECT_EQ(rows[31 + 2][0], u"B"_s);
    EXPECT_EQ(rows[31 + 2][4], u" other"_s);
    EXPECT_EQ(rows[31 + 2][7], u"1"_s);
    EXPECT_EQ(rows[31 + 3][7], u"0"_s);
}

TEST_F(LanesViewTest, WithoutARunItSaysWhatToDo) {
    view.resize(1000, 500);
    view.show();
    auto nothing = std::make_shared<WorkbenchSnapshot>();
    view.setSnapshot(nothing);
    EXPECT_FALSE(view.promptEdit().isEnabled());
    EXPECT_TRUE(view.text().accessibleDescription().contains(u"Open one"_s));
    view.setSnapshot(snapshotOf(nullptr));
    EXPECT_TRUE(view.promptEdit().isEnabled());
    EXPECT_TRUE(view.text().accessibleDescription().contains(u"Ctrl+R"_s));
}

TEST(LaneStyle, EightLanesAreToldApartInBothThemes) {
    for (const ThemeChoice choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        std::set<QRgb> seen;
        for (std::int32_t tag = 0; tag < 8; ++tag) {
            EXPECT_GE(contrastRatio(laneColour(tag), colours().base), 4.5) << tag;
            seen.insert(laneColour(tag).rgb());
        }
        EXPECT_EQ(seen.size(), 8U);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
    EXPECT_EQ(laneLetter(7), u"H"_s);
}

TEST(MetricsViewTest, ShowsTheTableAndWarnsOfFreeText) {
    MetricsView view;
    view.resize(1200, 240);
    view.show();
    view.setComparison(sampleComparison(
        {sampleLane(0, "model", {.tokens = words(30)}), sampleLane(1, "random", {.tokens = words(30, 2)})}));
    auto* table = view.findChild<QTableView*>(u"metrics_table"_s);
    ASSERT_EQ(table->model()->rowCount(), 2);
    const auto column = static_cast<int>(Metric::kFirstDivergence);
    EXPECT_EQ(table->model()->index(1, column).data().toString(), u"2"_s);
    const auto nll = table->model()->index(1, static_cast<int>(Metric::kNll));
    EXPECT_EQ(nll.data().toString(), u"–"_s);
    EXPECT_TRUE(nll.data(Qt::ToolTipRole).toString().contains(u"Not measured"_s));
    EXPECT_TRUE(view.findChild<QWidget*>(u"metrics_illustration"_s)->isVisible());
    EXPECT_EQ(parseCsv(view.csv()).size(), 3);
}

TEST(MetricsViewTest, LongPoliciesGetRoomBesideTheMeasures) {
    MetricsView view;
    view.resize(1200, 240);
    view.show();
    const QHeaderView* policies = view.findChild<QTableView*>(u"metrics_table"_s)->verticalHeader();
    view.setComparison(sampleComparison(
        {sampleLane(0, "model", {.tokens = words(3)}), sampleLane(1, "random", {.tokens = words(3)})}));
    const int brief = policies->width();
    view.setComparison(sampleComparison(
        {sampleLane(0, "model", {.tokens = words(3)}), sampleLane(1, std::string(80, 'k'), {.tokens = words(3)})}));
    EXPECT_GT(policies->width(), brief);
    EXPECT_LE(policies->width(), view.width() * 3 / 10) << "the measures keep most of the width";
}

}  // namespace
}  // namespace mixoscope
