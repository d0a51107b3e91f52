#include "views/checks_view.h"

#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <QLabel>
#include <QTableView>
#include <QTest>
#include <array>

#include "sample_snapshot_test.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::kDemoShape;
using test::keepPicture;
using test::SampleLane;

SnapshotPointer withChecks(std::vector<CheckResult> checks) {
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->lanes.resize(1);
    snapshot->lanes[0].checks = std::move(checks);
    return snapshot;
}

CheckResult check(bool ran, bool holds) {
    CheckResult result{};
    result.kind = CheckKind::kSelections;
    result.ran = ran;
    result.holds = holds;
    result.name = "Selections counted";
    result.equation = "3,872 = 242 × 4 × 4 − 0";
    result.layer = 2;
    result.position = 12;
    if (!holds) result.violation = "8 of 3,872 selections missing: layer 2, position 12";
    return result;
}

TEST(ChecksSummary, neverCallsAnUnrunCheckGood) {
    EXPECT_EQ(summarise({}).verdict, ChecksVerdict::kNotRun);
    EXPECT_EQ(summarise({check(false, true), check(false, true)}).verdict, ChecksVerdict::kNotRun);
    EXPECT_EQ(summarise({check(true, true), check(false, true)}).text, u"1 of 1 hold, 1 not run"_s);
    EXPECT_EQ(summarise({check(true, true), check(true, false)}).verdict, ChecksVerdict::kBroken);
}

TEST(ChecksModel, passesTheModelTester) {
    ChecksModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
    model.setChecks({check(false, true)});
    model.setChecks({check(true, true)});
    model.setChecks({check(true, true), check(true, false)});
    EXPECT_EQ(model.index(1, ChecksModel::kEquation).data().toString(),
              u"8 of 3,872 selections missing: layer 2, position 12"_s);
    EXPECT_EQ(model.index(1, ChecksModel::kState).data(Qt::AccessibleTextRole).toString(), u"broken"_s);
    EXPECT_EQ(model.index(1, ChecksModel::kName).data(Qt::ForegroundRole).value<QColor>(), colours().error);
    model.setChecks({});
}

TEST(ChecksView, aClickOnABrokenCheckGoesToItsPlace) {
    Selection selection;
    ChecksView view(selection);
    view.resize(420, 240);
    view.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&view));
    view.setSnapshot(withChecks({check(true, true), check(true, false), check(false, true)}));
    EXPECT_EQ(view.findChild<QLabel*>(u"checksChip"_s)->text(), u"1 broken"_s);
    EXPECT_EQ(view.findChild<QLabel*>(u"checksChip"_s)->property("role").toString(), u"chip-error"_s);
    keepPicture(view.renderToImage(1.0), u"checks-broken"_s);
    auto* table = view.findChild<QTableView*>(u"checksTable"_s);
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, table->visualRect(table->model()->index(0, 2)).center());
    EXPECT_EQ(selection.token(), -1);
    QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, table->visualRect(table->model()->index(1, 2)).center());
    EXPECT_EQ(selection.layer(), 2);
    EXPECT_EQ(selection.token(), 12);
}

TEST(ChecksView, theNoteCountsTheRowsThatWereFed) {
    SampleLane lane(kDemoShape);
    lane.feedAll();
    Selection selection;
    ChecksView view(selection);
    const SnapshotPointer snapshot = lane.snapshot();
    const History& history = snapshot->lanes.front().history;
    std::array<int, kPhaseCount> rows{};
    for (std::int32_t position = 0; position < history.rowCount(); ++position)
        ++rows[static_cast<std::size_t>(history.token(position).trace.phase)];
    view.setSnapshot(snapshot);
    const auto& note = *view.findChild<QLabel*>(u"checksNote"_s);
    const auto of = [&](Phase phase) { return rows[static_cast<std::size_t>(phase)]; };
    EXPECT_TRUE(note.text().contains(u"Rows fed: prompt %1 + thinking %2 + answer %3."_s.arg(of(Phase::kPrompt))
                                         .arg(of(Phase::kThinking))
                                         .arg(of(Phase::kAnswer))))
        << note.text().toStdString();
    auto forked = std::make_shared<WorkbenchSnapshot>(*snapshot);
    forked->lanes.push_back(forked->lanes.front());
    forked->lanes.back().lane = 7;
    view.setSnapshot(forked);
    EXPECT_TRUE(note.text().contains(u", and those of its forks."_s)) << note.text().toStdString();
}

TEST(ChecksView, picturesOfACompleteRecording) {
    SampleLane lane(kDemoShape);
    lane.feedAll();
    Selection selection;
    ChecksView view(selection);
    view.resize(420, 240);
    view.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&view));
    keepPicture(view.renderToImage(1.0), u"checks-empty"_s);
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        view.setSnapshot(lane.snapshot());
        keepPicture(view.renderToImage(1.0), colours().dark ? u"checks-dark"_s : u"checks-light"_s);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
    EXPECT_EQ(summarise(view.model().checks()).verdict, ChecksVerdict::kHold);
    EXPECT_EQ(parseCsv(view.csv()).size(), 1 + view.model().rowCount());
}

}  // namespace
}  // namespace mixoscope
