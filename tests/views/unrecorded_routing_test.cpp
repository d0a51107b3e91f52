// Routing of which only the experts were recorded: no view shows a weight, an entropy or a setting that nobody told.
#include <gtest/gtest.h>

#include <QButtonGroup>
#include <QComboBox>
#include <QLabel>
#include <QTableView>
#include <QTest>
#include <QToolButton>
#include <limits>

#include "engine/unrecorded.h"
#include "sample_snapshot_test.h"
#include "views/chat_turn.h"
#include "views/format.h"
#include "views/heatmap_view.h"
#include "views/recording_notice.h"
#include "views/theme.h"
#include "views/timeline.h"
#include "views/token_inspector.h"
#include "views/token_strip.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;

constexpr std::int32_t kRows = 24;

/// What an imported session looks like to the views.
SnapshotPointer importedSnapshot() {
    test::ReasoningLane lane(kDemoShape, {.prompt = 10, .thinking = 20, .answer = 5}, 7);
    Aggregates aggregates(kDemoShape, true, &test::ReasoningLane::tokenBytes, kDemoShape.slots);
    aggregates.add(LaneEvent{.serial = 0, .time_us = kNotTimed, .kind = LaneEventKind::kTurnStarted, .value = 10});
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    for (std::int32_t row = 0; row < kRows; ++row) {
        StepTrace trace = lane.next();
        std::vector<RouterFacts> router(trace.router.begin(), trace.router.end());
        for (RouterFacts& facts : router)
            facts = {.entropy = kNaN,
                     .top_probability = kNaN,
                     .last_probability = kNaN,
                     .next_probability = kNaN,
                     .active = facts.active};
        trace.serial = row + 1;
        trace.step_end_us = kNotTimed;
        trace.token.budget = trace.next.budget = kUnknownBudget;
        trace.expert_weights = {};
        trace.router = router;
        aggregates.add(trace);
    }
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->serial = 1;
    snapshot->recorded = true;
    auto model = std::make_shared<ModelFacts>();
    model->name = "served";
    model->imported_from = "vLLM";
    for (std::int32_t layer = 0; layer < kDemoShape.moe_layers; ++layer) model->moe_layers.push_back(layer);
    snapshot->model = model;
    snapshot->lanes = aggregates.snapshot();
    return snapshot;
}

bool hasColour(const QImage& picture, const QColor& colour) {
    for (int y = 0; y < picture.height(); ++y) {
        for (int x = 0; x < picture.width(); ++x) {
            if (picture.pixelColor(x, y) == colour) return true;
        }
    }
    return false;
}

TEST(UnrecordedRouting, theInspectorHasNoBarsAndNamesWhatIsMissing) {
    Selection selection;
    TokenInspector inspector(selection);
    inspector.resize(440, 640);
    inspector.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&inspector));
    test::SampleLane whole(kDemoShape);
    whole.feed(kRows);
    selection.setToken(15);
    inspector.setSnapshot(whole.snapshot());
    EXPECT_TRUE(hasColour(inspector.detail().grab().toImage(), colours().accent)) << "bars of a recording with weights";

    inspector.setSnapshot(importedSnapshot());
    EXPECT_FALSE(hasColour(inspector.detail().grab().toImage(), colours().accent)) << "no bar without a weight";
    test::keepPicture(inspector.renderToImage(1.0), u"inspector-unrecorded"_s);
    const QString facts = inspector.findChild<QLabel*>(u"inspectedFacts"_s)->text();
    EXPECT_TRUE(facts.contains(u"weights, margins and entropies not recorded"_s)) << facts.toStdString();
    EXPECT_FALSE(facts.contains(u"ties"_s));
    EXPECT_EQ(inspector.findChild<QLabel*>(u"inspectedPhase"_s)->text().section(u' ', 0, 0), u"thinking"_s);
    const QAbstractItemModel& table = inspector.model();
    EXPECT_EQ(table.headerData(TokenLayersModel::kExperts, Qt::Horizontal).toString(), u"Chosen experts"_s);
    EXPECT_FALSE(table.index(1, TokenLayersModel::kExperts).data().toString().contains(u':')) << "ids alone";
    EXPECT_EQ(table.index(1, TokenLayersModel::kExperts).data().toString().split(u", "_s).size(), 4);
    EXPECT_EQ(table.index(1, TokenLayersModel::kMargin).data().toString(), format::kAbsent);
    EXPECT_EQ(table.index(1, TokenLayersModel::kEntropy).data().toString(), format::kAbsent);
    EXPECT_TRUE(inspector.detail().accessibleDescription().contains(u"weight not recorded"_s));
    const QStringList lines = inspector.csv().split(u'\n', Qt::SkipEmptyParts);
    ASSERT_EQ(lines.size(), 1 + 4 * 4);
    for (const QString& line : lines.mid(1))
        EXPECT_TRUE(line.endsWith(u",,,,,,"_s)) << "layer, rank, expert and nothing else: " << line.toStdString();
}

TEST(UnrecordedRouting, theHeatmapShowsWhoWasChosenAndNothingOfEntropy) {
    Selection selection;
    HeatmapView view(selection);
    view.resize(760, 520);
    view.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&view));
    view.setProjection(Projection::kLayerToken);
    const SnapshotPointer snapshot = importedSnapshot();
    view.setSnapshot(snapshot);
    EXPECT_EQ(view.canvas().projection(), Projection::kExpertToken) << "the projection has nothing to show";
    auto* by_token = view.findChild<QToolButton*>(u"projection2"_s);
    EXPECT_FALSE(by_token->isEnabled());
    EXPECT_TRUE(by_token->toolTip().contains(u"not recorded"_s));
    const auto* values = view.findChild<QComboBox*>(u"heatmapValue"_s);
    ASSERT_EQ(values->count(), 1);
    EXPECT_EQ(values->itemText(0), u"chosen"_s);
    const QStringList lines = view.csv().split(u'\n', Qt::SkipEmptyParts);
    EXPECT_EQ(lines.size(), 1 + kRows * 4) << "each chosen expert of the layer";
    for (const QString& line : lines.mid(1)) EXPECT_TRUE(line.endsWith(u",1"_s)) << line.toStdString();
    view.setProjection(Projection::kLayerExpert);
    view.canvas().setScope(LayerExpertScope::kToken);
    selection.setToken(15);
    EXPECT_EQ(view.canvas().valueName(), u"Chosen"_s);
    EXPECT_EQ(view.csv().count(u",1\n"_s), 4 * 4);

    test::SampleLane whole(kDemoShape);
    whole.feed(kRows);
    view.setSnapshot(whole.snapshot());
    EXPECT_TRUE(by_token->isEnabled());
    EXPECT_FALSE(by_token->toolTip().contains(u"not recorded"_s));
    view.setProjection(Projection::kExpertToken);
    EXPECT_EQ(values->itemText(0), u"weight"_s);
}

TEST(UnrecordedRouting, stripAndTimelineHaveNoEntropyAndNoBudget) {
    const SnapshotPointer snapshot = importedSnapshot();
    Selection selection;
    TokenStrip strip(selection);
    strip.setSnapshot(snapshot);
    for (const QString& line : strip.csv().split(u'\n', Qt::SkipEmptyParts).mid(1))
        EXPECT_TRUE(line.endsWith(u",0,"_s)) << line.toStdString();
    Timeline timeline(selection);
    timeline.setSnapshot(snapshot);
    for (const QString& line : timeline.csv().split(u'\n', Qt::SkipEmptyParts).mid(1 + 10))
        EXPECT_TRUE(line.endsWith(u",,"_s)) << "neither budget nor entropy: " << line.toStdString();
    EXPECT_EQ(format::budget(kUnknownBudget), format::kAbsent);
    EXPECT_EQ(format::counter(12, kUnknownBudget), u"12"_s);
}

TEST(UnrecordedRouting, chatAndNoticeSayThatSettingsWereNotRecorded) {
    const SnapshotPointer snapshot = importedSnapshot();
    const LaneSnapshot& lane = snapshot->lanes[0];
    ChatTurn turn;
    ChatTurnSource source{.user_text = u"hello"_s,
                          .facts = &lane.turns[0],
                          .history = &lane.history,
                          .state = lane.state,
                          .current = true,
                          .recorded = true,
                          .knows_settings = false};
    turn.update(source);
    EXPECT_EQ(turn.settingsFacts(), u"settings not recorded"_s);
    EXPECT_FALSE(turn.block().counter().contains(u'/'))
        << "N without a budget: " << turn.block().counter().toStdString();
    source.knows_settings = true;
    turn.update(source);
    EXPECT_TRUE(turn.settingsFacts().contains(u"temperature"_s));
    RecordingNotice notice;
    notice.showSnapshot(*snapshot);
    EXPECT_TRUE(notice.facts().contains(u"imported from vLLM, which recorded no weights"_s))
        << notice.facts().toStdString();
}

}  // namespace
}  // namespace mixoscope
