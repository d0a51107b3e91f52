// The expert inspector against numbers that are computed here from the raw traces.
#include "views/expert_inspector.h"

#include <gtest/gtest.h>

#include <QChart>
#include <QComboBox>
#include <QHeaderView>
#include <QLabel>
#include <QLineSeries>
#include <QTableView>
#include <QTest>
#include <QToolButton>
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "sample_snapshot_test.h"
#include "support/synthetic_trace.h"
#include "views/expert_load_chart.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;
using test::OwnedTrace;
using test::SampleLane;

constexpr test::LaneLength kLength{.prompt = 40, .thinking = 60, .answer = 30};
constexpr std::uint64_t kSeed = 7;

/// The same rows that a SampleLane of this seed feeds, as the engine told them.
std::vector<OwnedTrace> rawRows(std::int32_t most = 1000) {
    test::ReasoningLane lane(kDemoShape, kLength, kSeed);
    std::vector<OwnedTrace> rows;
    while (!lane.atEnd() && static_cast<std::int32_t>(rows.size()) < most) rows.emplace_back(lane.next());
    return rows;
}

std::vector<std::int16_t> expertsOf(const OwnedTrace& row, std::int32_t layer) {
    const auto first = row.ids.begin() + layer * kDemoShape.slots;
    return {first, first + kDemoShape.slots};
}

bool got(const OwnedTrace& row, std::int32_t layer, std::int32_t expert) {
    const auto experts = expertsOf(row, layer);
    return std::ranges::find(experts, expert) != experts.end();
}

std::int64_t countOf(const std::vector<OwnedTrace>& rows, const auto& predicate) {
    return std::ranges::count_if(rows, predicate);
}

class ExpertInspectorTest : public testing::Test {
protected:
    void SetUp() override {
        inspector.resize(448, 460);
        inspector.show();
        ASSERT_TRUE(QTest::qWaitForWindowActive(&inspector));
    }
    void showAll() {
        lane.feedAll();
        inspector.setSnapshot(lane.snapshot());
        selection.setLayer(kLayer);
        selection.setExpert(kExpert);
    }
    void click(const QString& button) { QTest::mouseClick(inspector.findChild<QToolButton*>(button), Qt::LeftButton); }
    void setPage(ExpertInspector::Page page) { click(u"expertPage%1"_s.arg(static_cast<int>(page))); }
    QString text(const QString& label) const { return inspector.findChild<QLabel*>(label)->text(); }
    void keepPictures(const QString& name) {
        test::keepPicture(renderWidget(inspector, 1.0), name + u"-light"_s);
        Theme::instance().setChoice(ThemeChoice::kDark);
        test::keepPicture(renderWidget(inspector, 1.0), name + u"-dark"_s);
        Theme::instance().setChoice(ThemeChoice::kLight);
    }

    static constexpr std::int32_t kLayer = 2;
    const std::vector<OwnedTrace> raw = rawRows();
    /// The expert of the layer that got the most rows, and the next one.
    const std::array<std::int32_t, 2> busiest = [this] {
        std::vector<std::int32_t> experts(static_cast<std::size_t>(kDemoShape.experts));
        std::iota(experts.begin(), experts.end(), 0);
        std::ranges::stable_sort(experts, std::greater{}, [this](std::int32_t expert) {
            return countOf(raw, [&](const OwnedTrace& row) { return got(row, kLayer, expert); });
        });
        return std::array{experts[0], experts[1]};
    }();
    const std::int32_t kExpert = busiest[0];
    SampleLane lane{kDemoShape, kLength, kSeed};
    Selection selection;
    ExpertInspector inspector{selection};
};

TEST_F(ExpertInspectorTest, ListsEveryRowThatTheExpertGotAndAClickSelectsIt) {
    showAll();
    std::vector<ExpertHit> expected;
    for (const OwnedTrace& row : raw) {
        const auto experts = expertsOf(row, kLayer);
        const auto slot = std::ranges::find(experts, kExpert) - experts.begin();
        if (slot == kDemoShape.slots) continue;
        expected.push_back({.position = row.trace.token.position,
                            .rank = static_cast<std::int32_t>(slot),
                            .weight = row.weights[static_cast<std::size_t>(kLayer * kDemoShape.slots + slot)]});
    }
    ASSERT_GT(expected.size(), 10U);
    const std::vector<ExpertHit>& listed = inspector.tokens().hits();
    ASSERT_EQ(listed.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(listed[i].position, expected[i].position);
        EXPECT_EQ(listed[i].rank, expected[i].rank);
        EXPECT_EQ(listed[i].weight, expected[i].weight);
    }
    EXPECT_TRUE(text(u"expertFacts"_s).startsWith(u"%1 of %2 rows"_s.arg(expected.size()).arg(raw.size())))
        << text(u"expertFacts"_s).toStdString();

    auto* table = inspector.findChild<QTableView*>(u"expertTokens"_s);
    const QModelIndex third = table->model()->index(2, ExpertTokensModel::kContext);
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, table->visualRect(third).center());
    EXPECT_EQ(selection.token(), expected[2].position);
    table->setFocus();
    QTest::keyClick(table, Qt::Key_Down);
    EXPECT_EQ(selection.token(), expected[3].position);
    selection.setToken(expected[5].position);
    EXPECT_EQ(table->currentIndex().row(), 5);
    keepPictures(u"expert-tokens"_s);
    table->sortByColumn(ExpertTokensModel::kWeight, Qt::DescendingOrder);
    const auto heaviest = std::ranges::max_element(expected, {}, &ExpertHit::weight);
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {},
                      table->visualRect(table->model()->index(0, ExpertTokensModel::kContext)).center());
    EXPECT_EQ(selection.token(), heaviest->position);
}

TEST_F(ExpertInspectorTest, KindsAreSharesOfTheRowsOfEachPhaseAndKind) {
    showAll();
    setPage(ExpertInspector::Page::kKinds);
    const std::vector<ShareRow>& rows = inspector.kinds().rows();
    ASSERT_EQ(rows.size(), static_cast<std::size_t>(kPhaseCount + kTokenClassCount));
    std::int64_t covered = 0;
    for (int phase = 0; phase < kPhaseCount; ++phase) {
        const auto in_phase = [&](const OwnedTrace& row) { return row.trace.token.phase == static_cast<Phase>(phase); };
        const auto both = [&](const OwnedTrace& row) { return in_phase(row) && got(row, kLayer, kExpert); };
        const ShareRow& row = rows[static_cast<std::size_t>(phase)];
        EXPECT_EQ(row.whole, countOf(raw, in_phase));
        EXPECT_EQ(row.part, countOf(raw, both));
        EXPECT_DOUBLE_EQ(row.share, static_cast<double>(row.part) / static_cast<double>(row.whole));
        EXPECT_DOUBLE_EQ(row.chance, 4.0 / 32.0);
        covered += row.part;
    }
    EXPECT_EQ(covered, countOf(raw, [&](const OwnedTrace& row) { return got(row, kLayer, kExpert); }));
    for (int kind = 0; kind < kTokenClassCount; ++kind) {
        const auto of_kind = [&](const OwnedTrace& row) {
            return tokenClass(row.trace.token, test::ReasoningLane::tokenBytes(row.trace.token.id)) ==
                   static_cast<TokenClass>(kind);
        };
        const auto both = [&](const OwnedTrace& row) { return of_kind(row) && got(row, kLayer, kExpert); };
        EXPECT_EQ(rows[static_cast<std::size_t>(kPhaseCount + kind)].whole, countOf(raw, of_kind)) << kind;
        EXPECT_EQ(rows[static_cast<std::size_t>(kPhaseCount + kind)].part, countOf(raw, both)) << kind;
    }
    keepPictures(u"expert-kinds"_s);
}

TEST_F(ExpertInspectorTest, PairsCountAllRowsThatBothGot) {
    showAll();
    setPage(ExpertInspector::Page::kPairs);
    const std::int64_t own = countOf(raw, [&](const OwnedTrace& row) { return got(row, kLayer, kExpert); });
    double sum = 0.0;
    for (const ShareRow& row : inspector.pairs().rows()) {
        const std::int32_t other = row.expert;
        EXPECT_EQ(row.part,
                  countOf(raw, [&](const OwnedTrace& r) { return got(r, kLayer, kExpert) && got(r, kLayer, other); }));
        EXPECT_EQ(row.whole, own);
        EXPECT_DOUBLE_EQ(row.chance, 3.0 / 31.0);
        sum += row.share;
    }
    EXPECT_NEAR(sum, 3.0, 1e-9) << "k − 1";
    EXPECT_TRUE(std::ranges::is_sorted(inspector.pairs().rows(), std::greater{}, &ShareRow::part));
    keepPictures(u"expert-pairs"_s);
    auto* table = inspector.findChild<QTableView*>(u"expertPairs"_s);
    const std::int32_t first = inspector.pairs().rows()[0].expert;
    const QPoint place = table->visualRect(table->model()->index(0, 0)).center();
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, place);
    QTest::mouseDClick(table->viewport(), Qt::LeftButton, {}, place);
    EXPECT_EQ(selection.expert(), first);
}

TEST_F(ExpertInspectorTest, LoadIsTheShareOfTheLastRowsAndAClickGoesThere) {
    showAll();
    setPage(ExpertInspector::Page::kLoad);
    const auto window = static_cast<std::size_t>(rollingWindow(raw.size()));
    const auto& points = inspector.loadChart().selected().points;
    ASSERT_EQ(points.size(), raw.size() - window + 1);
    for (std::size_t i = 0; i < points.size(); ++i) {
        std::int64_t hits = 0;
        for (std::size_t row = i; row < i + window; ++row) hits += got(raw[row], kLayer, kExpert) ? 1 : 0;
        EXPECT_EQ(points[i].x(), raw[i + window - 1].trace.token.position);
        EXPECT_DOUBLE_EQ(points[i].y(), static_cast<double>(hits) / static_cast<double>(window));
    }
    EXPECT_DOUBLE_EQ(inspector.loadChart().even(), 4.0 / 32.0);
    QTest::qWait(20);  // lets the scene lay itself out
    ChartFrame& frame = inspector.loadChart().frame();
    auto* line = static_cast<QLineSeries*>(frame.chart()->series().back());
    const QPointF place = frame.chart()->mapToPosition(QPointF(80.0, 0.1), line);
    QTest::mouseClick(frame.viewport(), Qt::LeftButton, {}, frame.mapFromScene(frame.chart()->mapToScene(place)));
    EXPECT_NEAR(selection.token(), 80, 1);
    keepPictures(u"expert-load"_s);
}

TEST_F(ExpertInspectorTest, TheLayerNamesTheMostPreferredExpertBesideChance) {
    showAll();
    setPage(ExpertInspector::Page::kLayer);
    const auto& rows = inspector.layerMeasures().rows();
    ASSERT_GE(rows.size(), 4U);
    const ShareRow& thinking = rows[1];
    ASSERT_TRUE(thinking.name.startsWith(u"thinking → expert"_s)) << thinking.name.toStdString();
    std::int64_t most = 0;
    for (std::int32_t expert = 0; expert < kDemoShape.experts; ++expert) {
        most = std::max(most, countOf(raw, [&](const OwnedTrace& row) {
                            return row.trace.token.phase == Phase::kThinking && got(row, kLayer, expert);
                        }));
    }
    EXPECT_EQ(thinking.part, most);
    EXPECT_GT(thinking.chance, 4.0 / 32.0) << "the largest of many is above the mean";
    EXPECT_LT(thinking.chance, 0.5);
    selection.setExpert(-1);
    EXPECT_EQ(inspector.layerMeasures().rows().size(), rows.size()) << "needs no expert";
    keepPictures(u"expert-layer"_s);
}

TEST_F(ExpertInspectorTest, AnExpertIsPinnedAndComparedWithAnother) {
    showAll();
    click(u"pinExpert"_s);
    selection.setExpert(busiest[1]);
    const auto rowsOf = [&](std::int32_t layer, std::int32_t expert) {
        return countOf(raw, [&](const OwnedTrace& row) { return got(row, layer, expert); });
    };
    EXPECT_EQ(inspector.tokens().rowCount(), rowsOf(kLayer, busiest[1]));
    EXPECT_EQ(inspector.pinnedTokens().rowCount(), rowsOf(kLayer, busiest[0]));
    EXPECT_TRUE(text(u"pinnedFacts"_s).contains(u"expert %1, layer %2"_s.arg(busiest[0]).arg(kLayer)));
    keepPictures(u"expert-two"_s);
    setPage(ExpertInspector::Page::kKinds);
    const auto prompt = [](const OwnedTrace& row) { return row.trace.token.phase == Phase::kPrompt; };
    EXPECT_DOUBLE_EQ(inspector.kinds().rows()[0].other,
                     static_cast<double>(countOf(
                         raw, [&](const OwnedTrace& row) { return prompt(row) && got(row, kLayer, busiest[0]); })) /
                         static_cast<double>(countOf(raw, prompt)));
    keepPictures(u"expert-two-kinds"_s);
    setPage(ExpertInspector::Page::kLoad);
    EXPECT_FALSE(inspector.loadChart().pinned().points.empty());
    keepPictures(u"expert-two-load"_s);
    setPage(ExpertInspector::Page::kTokens);
    selection.setLayer(0);  // the pinned one stays where it was
    EXPECT_EQ(inspector.pinnedTokens().rowCount(), rowsOf(kLayer, busiest[0]));
    EXPECT_EQ(inspector.tokens().rowCount(), rowsOf(0, busiest[1]));
    click(u"pinExpert"_s);
    EXPECT_FALSE(inspector.findChild<QLabel*>(u"pinnedFacts"_s)->isVisible());
}

TEST_F(ExpertInspectorTest, ARangeLimitsTheRows) {
    showAll();
    selection.setRange({20, 50});
    std::int64_t inside = 0;
    for (std::size_t row = 20; row < 50; ++row) inside += got(raw[row], kLayer, kExpert) ? 1 : 0;
    EXPECT_EQ(inspector.tokens().rowCount(), inside);
    EXPECT_TRUE(text(u"expertFacts"_s).startsWith(u"%1 of 30 rows"_s.arg(inside)));
    selection.setRange({});
    EXPECT_GT(inspector.tokens().rowCount(), inside);
}

TEST_F(ExpertInspectorTest, GrowsWithTheSequenceAndStartsAnewWithAConversation) {
    lane.feed(50);
    inspector.setSnapshot(lane.snapshot());
    selection.setLayer(kLayer);
    selection.setExpert(kExpert);
    const auto until = [&](std::size_t end) {
        std::int64_t hits = 0;
        for (std::size_t row = 0; row < end; ++row) hits += got(raw[row], kLayer, kExpert) ? 1 : 0;
        return hits;
    };
    EXPECT_EQ(inspector.tokens().rowCount(), until(50));
    lane.feed(40);
    inspector.setSnapshot(lane.snapshot());
    inspector.refresh();
    EXPECT_EQ(inspector.tokens().rowCount(), until(90));
    SampleLane another(kDemoShape, kLength, 99);
    another.feed(90);
    inspector.setSnapshot(std::make_shared<WorkbenchSnapshot>());
    inspector.refresh();
    const SnapshotPointer other = another.snapshot();
    inspector.setSnapshot(other);
    inspector.refresh();
    const History& history = other->lanes[0].history;
    std::int64_t hits = 0;
    for (std::int32_t row = 0; row < 90; ++row) {
        const auto experts = history.experts(row, kLayer);
        hits += std::ranges::count(experts, static_cast<std::int16_t>(kExpert));
    }
    EXPECT_EQ(inspector.tokens().rowCount(), hits);
}

/// Results of two policies on two tasks whose counts tell policy, task, layer and expert apart.
std::shared_ptr<ExperimentSnapshot> twoTasks() {
    ExperimentFrame frame;
    frame.experiment.name = "tasks";
    frame.experiment.model = "demo";
    frame.experiment.policies = {"model", "top-k:k=1"};
    frame.experiment.tasks.resize(3);
    frame.experiment.tasks[0].name = "sums";
    frame.experiment.tasks[1].name = "stories";
    frame.experiment.tasks[2].name = "scenes";
    frame.facts.moe_layers = kDemoShape.moe_layers;
    frame.facts.experts = kDemoShape.experts;
    auto snapshot = std::make_shared<ExperimentSnapshot>();
    for (std::int64_t pair = 0; pair < 6; ++pair) {
        auto load = std::make_shared<TaskLoad>();
        if (pair % 3 != 2) {  // of the third task nothing has run
            load->rows = 1000 * (pair + 1);
            load->selections.resize(frame.facts.loadCounts());
            std::iota(load->selections.begin(), load->selections.end(), pair * 7);
        }
        snapshot->task_loads.push_back(load);
    }
    snapshot->frame = std::make_shared<const ExperimentFrame>(std::move(frame));
    snapshot->done = 40;
    return snapshot;
}

TEST_F(ExpertInspectorTest, TasksAreSharesOfTheRowsOfAnExperimentsRuns) {
    showAll();
    setPage(ExpertInspector::Page::kTasks);
    const auto* table = inspector.findChild<QTableView*>(u"expertTasks"_s);
    EXPECT_FALSE(table->isVisible()) << "no experiment has run";
    keepPictures(u"expert-tasks-empty"_s);
    const auto experiment = twoTasks();
    inspector.setExperiment(experiment);
    inspector.refresh();
    ASSERT_TRUE(table->isVisible());
    ASSERT_EQ(inspector.tasks().rows().size(), 3U);
    const std::int64_t place = kLayer * kDemoShape.experts + kExpert;
    const ShareRow& stories = inspector.tasks().rows()[1];
    EXPECT_EQ(stories.name, u"stories"_s);
    EXPECT_EQ(stories.part, place + 7);
    EXPECT_EQ(stories.whole, 2000);
    EXPECT_DOUBLE_EQ(stories.share, static_cast<double>(place + 7) / 2000.0);
    double layer = 0.0;
    for (std::int64_t expert = 0; expert < kDemoShape.experts; ++expert)
        layer += static_cast<double>(kLayer * kDemoShape.experts + expert + 7);
    EXPECT_NEAR(stories.chance, layer / 2000.0 / kDemoShape.experts, 1e-12);
    EXPECT_EQ(inspector.tasks().rows()[2].whole, 0);
    EXPECT_TRUE(std::isnan(inspector.tasks().rows()[2].share));

    auto* policy = inspector.findChild<QComboBox*>(u"taskPolicy"_s);
    policy->setFocus();
    QTest::keyClick(policy, Qt::Key_Down);
    EXPECT_EQ(policy->currentText(), u"top-k:k=1"_s);
    EXPECT_EQ(inspector.tasks().rows()[0].part, place + 3 * 7);
    EXPECT_EQ(inspector.tasks().rows()[0].whole, 4000);

    click(u"pinExpert"_s);
    selection.setLayer(kLayer + 1);
    EXPECT_EQ(inspector.tasks().rows()[0].part, place + kDemoShape.experts + 3 * 7);
    EXPECT_DOUBLE_EQ(inspector.tasks().rows()[0].other, static_cast<double>(place + 3 * 7) / 4000.0);
    EXPECT_EQ(parseCsv(inspector.csv()).size(), 1U + 3U);
    keepPictures(u"expert-tasks"_s);

    ExperimentFrame smaller = *experiment->frame;
    smaller.facts.experts = kDemoShape.experts / 2;
    experiment->frame = std::make_shared<const ExperimentFrame>(std::move(smaller));
    inspector.setExperiment(experiment);
    inspector.refresh();
    EXPECT_FALSE(table->isVisible()) << "an experiment of another model";
}

TEST_F(ExpertInspectorTest, SaysWhatIsMissingAndStepsThroughTheExperts) {
    const auto shown = [&](const QString& title) {
        for (const QWidget* page : inspector.findChildren<QWidget*>()) {
            if (page->accessibleName() == title) return page->isVisible();
        }
        return false;
    };
    EXPECT_TRUE(shown(u"Nothing routed yet"_s));
    keepPictures(u"expert-empty"_s);
    lane.feedAll();
    inspector.setSnapshot(lane.snapshot());
    EXPECT_TRUE(shown(u"No expert selected"_s));
    click(u"nextExpert"_s);
    EXPECT_EQ(selection.expert(), 0);
    click(u"previousExpert"_s);
    EXPECT_EQ(selection.expert(), kDemoShape.experts - 1);
    SampleLane few(kDemoShape, kLength, kSeed);
    few.feed(1);
    inspector.setSnapshot(few.snapshot());
    inspector.refresh();
    for (std::int32_t expert = 0; expert < kDemoShape.experts; ++expert) {
        if (got(raw[0], 0, expert)) continue;
        selection.setExpert(expert);
        break;
    }
    EXPECT_TRUE(shown(u"No token"_s));
}

TEST_F(ExpertInspectorTest, EveryPageIsExportedAsItIsShown) {
    showAll();
    click(u"pinExpert"_s);
    selection.setExpert(busiest[1]);
    const auto rows = [&] { return parseCsv(inspector.csv()).size() - 1; };
    EXPECT_EQ(rows(), inspector.tokens().rowCount() + inspector.pinnedTokens().rowCount());
    setPage(ExpertInspector::Page::kLoad);
    EXPECT_EQ(rows(), static_cast<int>(inspector.loadChart().selected().points.size() +
                                       inspector.loadChart().pinned().points.size()));
    setPage(ExpertInspector::Page::kKinds);
    EXPECT_EQ(rows(), kPhaseCount + kTokenClassCount);
    setPage(ExpertInspector::Page::kPairs);
    EXPECT_EQ(rows(), inspector.pairs().rowCount());
    setPage(ExpertInspector::Page::kLayer);
    EXPECT_EQ(rows(), inspector.layerMeasures().rowCount());
    EXPECT_FALSE(inspector.renderToImage(1.0).isNull());
}

}  // namespace
}  // namespace mixoscope
