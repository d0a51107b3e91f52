// Token inspector, token strip and their model.
#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QLabel>
#include <QStackedWidget>
#include <QTableView>
#include <QTest>
#include <QWheelEvent>
#include <cmath>

#include "sample_snapshot_test.h"
#include "views/format.h"
#include "views/theme.h"
#include "views/token_inspector.h"
#include "views/token_strip.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;
using test::keepPicture;
using test::kLargeShape;
using test::SampleLane;

TEST(TokenLayersModel, passesTheModelTesterThroughEveryChange) {
    SampleLane lane(kDemoShape);
    lane.feed(30);
    const SnapshotPointer snapshot = lane.snapshot();
    TokenLayersModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
    model.show(snapshot->lanes[0].history, 12, {0, 1, 2, 3});
    EXPECT_EQ(model.rowCount(), 4);
    model.show(snapshot->lanes[0].history, 13, {0, 1, 2, 3});
    model.show(snapshot->lanes[0].history, 4000, {});
    EXPECT_EQ(model.rowCount(), 0);
    model.show(History(), -1, {});
    model.show(snapshot->lanes[0].history, 3, {2, 5, 6, 9});
    EXPECT_EQ(model.index(1, TokenLayersModel::kLayer).data().toString(), u"5"_s);
}

TEST(TokenLayersModel, rowsAreTheTokensRouting) {
    SampleLane lane(kLargeShape, {.prompt = 300});
    lane.feed(300);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes[0].history;
    TokenLayersModel model;
    int ties = 0;
    for (std::int32_t position = 0; position < 300; position += 25) {
        model.show(history, position, {});
        for (std::int32_t layer = 0; layer < 48; ++layer) {
            const RouterFacts& facts = history.router(position, layer);
            EXPECT_EQ(model.segments(layer).size(), 8u);
            EXPECT_EQ(model.segments(layer)[0].expert, history.experts(position, layer)[0]);
            EXPECT_EQ(model.index(layer, TokenLayersModel::kNext).data().toString(),
                      QString::number(facts.next_expert));
            EXPECT_EQ(model.index(layer, TokenLayersModel::kMargin).data().toString(),
                      format::probability(facts.margin()));
            const bool tie = (facts.flags & layer_flag::kTie) != 0;
            EXPECT_EQ(model.index(layer, TokenLayersModel::kTie).data().toString(), tie ? u"8=9"_s : QString());
            ties += tie ? 1 : 0;
        }
        EXPECT_NEAR(model.meanEntropy(), meanEntropy(history, position), 1e-9);
    }
    EXPECT_GT(ties, 0) << "the sample has ties, or this test shows nothing";
}

class TokenInspectorTest : public testing::Test {
protected:
    void SetUp() override {
        inspector.resize(440, 640);
        inspector.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&inspector));
    }
    QString label(const QString& name) { return inspector.findChild<QLabel*>(name)->text(); }

    Selection selection;
    TokenInspector inspector{selection};
};

TEST_F(TokenInspectorTest, headNamesTheToken) {
    SampleLane lane(kDemoShape, {.prompt = 10, .thinking = 20, .answer = 5});
    lane.feedAll();
    inspector.setSnapshot(lane.snapshot());
    EXPECT_EQ(inspector.findChild<QStackedWidget*>()->currentIndex(), 0) << "empty state without a selection";
    selection.setToken(15);
    EXPECT_EQ(inspector.findChild<QStackedWidget*>()->currentIndex(), 1);
    EXPECT_TRUE(label(u"inspectedPlace"_s).contains(u"position 15"_s));
    EXPECT_EQ(label(u"inspectedPhase"_s), u"thinking 5 of 20"_s);
    EXPECT_TRUE(label(u"inspectedFacts"_s).contains(u"4 × 4 experts"_s));
    EXPECT_TRUE(label(u"inspectedFacts"_s).contains(u"log-prob"_s));
    selection.setToken(3);
    EXPECT_EQ(label(u"inspectedPhase"_s), u"prompt"_s);
    EXPECT_FALSE(label(u"inspectedFacts"_s).contains(u"log-prob"_s)) << "prompt tokens have none";
}

TEST_F(TokenInspectorTest, hoverPreviewsAndTheNewestTokenIsNotRoutedYet) {
    SampleLane lane(kDemoShape, {.prompt = 10, .thinking = 20, .answer = 5});
    lane.feed(18);
    inspector.setSnapshot(lane.snapshot());
    selection.setToken(5);
    selection.setHover({.token = 18});
    EXPECT_TRUE(label(u"inspectedPlace"_s).contains(u"position 18"_s));
    EXPECT_EQ(inspector.model().rowCount(), 0);
    EXPECT_TRUE(label(u"inspectedFacts"_s).contains(u"not routed yet"_s));
    selection.setHover({});
    EXPECT_TRUE(label(u"inspectedPlace"_s).contains(u"position 5"_s));
    EXPECT_EQ(inspector.model().rowCount(), 4);
}

TEST_F(TokenInspectorTest, clickOnALayerSelectsItAndShowsItsRanks) {
    SampleLane lane(kDemoShape);
    lane.feed(30);
    inspector.setSnapshot(lane.snapshot());
    selection.setToken(20);
    auto* table = inspector.findChild<QTableView*>(u"tokenLayers"_s);
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, table->visualRect(table->model()->index(2, 1)).center());
    EXPECT_EQ(selection.layer(), 2);
    const SnapshotPointer shown = lane.snapshot();
    const History& history = shown->lanes[0].history;
    ASSERT_EQ(inspector.detail().ranks().size(), 4u);
    double sum = 0.0;
    for (int rank = 0; rank < 4; ++rank) {
        const auto& shown = inspector.detail().ranks()[static_cast<std::size_t>(rank)];
        EXPECT_EQ(shown.expert, history.experts(20, 2)[rank]);
        EXPECT_FLOAT_EQ(static_cast<float>(shown.weight), history.weights(20, 2)[rank]);
        sum += shown.probability;
    }
    EXPECT_NEAR(inspector.detail().ranks()[0].probability, history.router(20, 2).top_probability, 1e-6);
    EXPECT_NEAR(inspector.detail().ranks()[3].probability, history.router(20, 2).last_probability, 1e-5);
    EXPECT_LT(sum, 1.0);
    const LayerLoad load = loadOverRange(history, 2, 0, 30);
    EXPECT_EQ(inspector.detail().ranks()[0].rows,
              load.selections[static_cast<std::size_t>(inspector.detail().ranks()[0].expert)]);
}

TEST_F(TokenInspectorTest, fewLayersLeaveTheRoomToTheRanks) {
    SampleLane lane(kDemoShape);
    lane.feed(30);
    inspector.resize(440, 345);  // half of it would be too low for either
    inspector.setSnapshot(lane.snapshot());
    selection.setToken(20);
    QApplication::processEvents();
    EXPECT_TRUE(inspector.detail().visibleRegion().boundingRect().contains(inspector.detail().rect()))
        << "all ranks are seen without scrolling";
    const auto* table = inspector.findChild<QTableView*>(u"tokenLayers"_s);
    EXPECT_EQ(table->viewport()->rect().intersected(table->visualRect(table->model()->index(3, 0))),
              table->visualRect(table->model()->index(3, 0)))
        << "and all layers too";
}

TEST_F(TokenInspectorTest, csvHasARowForEverySelection) {
    SampleLane lane(kDemoShape);
    lane.feed(30);
    inspector.setSnapshot(lane.snapshot());
    selection.setToken(20);
    EXPECT_EQ(parseCsv(inspector.csv()).size(), 1 + 4 * 4);
}

TEST_F(TokenInspectorTest, pictures) {
    SampleLane lane(kLargeShape, {.prompt = 48, .thinking = 200, .answer = 0, .budget = 1024});
    lane.feed(234);
    keepPicture(inspector.renderToImage(1.0), u"inspector-empty"_s);
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        selection.setLayer(23);
        selection.setToken(205);
        inspector.setSnapshot(lane.snapshot());
        keepPicture(inspector.renderToImage(1.0), colours().dark ? u"inspector-dark"_s : u"inspector-light"_s);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

class TokenStripTest : public testing::Test {
protected:
    void SetUp() override {
        strip.resize(470, strip.sizeHint().height());
        strip.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&strip));
    }
    Selection selection;
    TokenStrip strip{selection};
};

TEST_F(TokenStripTest, clickSelectsTheTokenUnderThePointer) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    strip.setSnapshot(lane.snapshot());
    const std::int32_t newest = strip.tokenAt(QPointF(strip.width() - 16, 50));
    EXPECT_EQ(newest, 60) << "without a cursor the newest token is at the right edge";
    const QPoint place(200, 50);
    const std::int32_t token = strip.tokenAt(place);
    ASSERT_GE(token, 0);
    QTest::mouseClick(&strip, Qt::LeftButton, {}, place);
    EXPECT_EQ(selection.token(), token);
    EXPECT_EQ(strip.tokenAt(QPointF(strip.width() / 2.0, 50)), token) << "the cursor moves to the middle";
    QTest::keyClick(&strip, Qt::Key_Right);
    EXPECT_EQ(selection.token(), token + 1);
    QTest::keyClick(&strip, Qt::Key_Home);
    EXPECT_EQ(selection.token(), 0);
    EXPECT_EQ(strip.tokenAt(QPointF(14, 50)), 0) << "no empty room before the first";
}

TEST_F(TokenStripTest, theWheelScrollsEvenInPartsOfANotch) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    strip.setSnapshot(lane.snapshot());
    const auto turn = [&](int eighths) {
        const QPointF at(200, 50);
        QWheelEvent event(at, strip.mapToGlobal(at), {}, QPoint(0, eighths), Qt::NoButton, {}, Qt::NoScrollPhase,
                          false);
        QApplication::sendEvent(&strip, &event);
    };
    turn(120);
    const std::int32_t before = strip.tokenAt(QPointF(strip.width() / 2.0, 50));
    for (int part = 0; part < 8; ++part) turn(15);
    EXPECT_EQ(strip.tokenAt(QPointF(strip.width() / 2.0, 50)), before - 3);
    selection.setToken(10);
    EXPECT_EQ(strip.tokenAt(QPointF(strip.width() / 2.0, 50)), 10) << "the cursor comes into sight";
}

TEST_F(TokenStripTest, shiftClickExtendsAndHoverIsShared) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    strip.setSnapshot(lane.snapshot());
    selection.setToken(58);
    const QPoint place(200, 50);
    const std::int32_t token = strip.tokenAt(place);
    QTest::mouseMove(&strip, place);
    EXPECT_EQ(selection.hover().token, token);
    QTest::mouseClick(&strip, Qt::LeftButton, Qt::ShiftModifier, place);
    EXPECT_EQ(selection.range(), (TokenRange{std::min(token, 58), std::max(token, 58) + 1}));
    QEvent leave(QEvent::Leave);
    QApplication::sendEvent(&strip, &leave);
    EXPECT_EQ(selection.hover(), Hover{});
}

TEST_F(TokenStripTest, csvKeepsTextsWithPercentSignsAndCommas) {
    SampleLane lane(kDemoShape);
    lane.feed(60);
    strip.setSnapshot(lane.snapshot());
    const auto rows = parseCsv(strip.csv());
    ASSERT_EQ(rows.size(), 1 + 61);
    const SnapshotPointer shown = lane.snapshot();
    const History& history = shown->lanes[0].history;
    for (int position = 0; position < 61; ++position) {
        EXPECT_EQ(rows[position + 1][2], format::plainText(history.token(position).bytes));
    }
}

TEST_F(TokenStripTest, pictures) {
    keepPicture(strip.renderToImage(1.0), u"strip-empty"_s);
    SampleLane lane(kDemoShape, {.prompt = 41, .thinking = 20, .answer = 10, .budget = 20, .cut_by_budget = true});
    lane.feedAll();
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        strip.setSnapshot(lane.snapshot());
        selection.setToken(62);
        keepPicture(strip.renderToImage(2.0), colours().dark ? u"strip-2x-dark"_s : u"strip-2x-light"_s);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

TEST(MeanEntropy, isAbsentForATokenWithoutRouting) {
    SampleLane lane(kDemoShape, {.prompt = 10});
    lane.feed(12);
    const SnapshotPointer snapshot = lane.snapshot();
    EXPECT_TRUE(std::isnan(meanEntropy(snapshot->lanes[0].history, 12)));
    EXPECT_GT(meanEntropy(snapshot->lanes[0].history, 11), 0.0);
    EXPECT_TRUE(std::isnan(meanEntropy(History(), 0)));
}

}  // namespace
}  // namespace mixoscope
