// The tree of forks: order, branching, what a row says, keys and mouse, CSV.
#include "views/fork_tree.h"

#include <gtest/gtest.h>

#include <QSignalSpy>
#include <QTest>

#include "sample_comparison_test.h"
#include "views/lane_style.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

ComparedLane forkOf(const ComparedLane& parent, std::int32_t tag, std::int32_t position, const std::string& change,
                    const test::SampleText& text) {
    ComparedLane lane = test::sampleLane(tag, "model", text);
    lane.origin.role = LaneRole::kFork;
    lane.origin.parent = parent.origin.lane;
    lane.origin.position = position;
    lane.origin.change = change;
    lane.free.turns.back().answer_text = "answer " + std::to_string(tag);
    return lane;
}

/// A with B at 4 and C at 6; D goes on from B at 5.
std::shared_ptr<ComparisonSnapshot> sample() {
    const ComparedLane a = test::sampleLane(0, "model", {.tokens = {"a", "b", "c", "d", "e"}});
    const ComparedLane b = forkOf(a, 1, 4, "budget 96 → 32", {.tokens = {"a", "x", "y"}});
    const ComparedLane c = forkOf(a, 2, 6, "", {.tokens = {"a", "b", "c", "d", "e"}});
    const ComparedLane d = forkOf(b, 3, 5, "token \"z\"", {.tokens = {"a", "x", "z"}});
    return test::sampleComparison({a, b, c, d});
}

TEST(ForkTreeData, ForksFollowTheirLaneThoseThatBranchOffLastFirst) {
    const std::vector<ForkTreeRow> rows = forkTree(*sample());
    ASSERT_EQ(rows.size(), 4U);
    const auto expect = [&](std::size_t row, std::size_t lane, int parent, int depth, int first, int end) {
        EXPECT_EQ(rows[row].lane, lane) << row;
        EXPECT_EQ(rows[row].parent, parent) << row;
        EXPECT_EQ(rows[row].depth, depth) << row;
        EXPECT_EQ(rows[row].first, first) << row;
        EXPECT_EQ(rows[row].end, end) << row;
    };
    expect(0, 0, -1, 0, 0, 8);
    expect(1, 2, 0, 1, 6, 8);
    expect(2, 1, 0, 1, 4, 6);
    expect(3, 3, 2, 2, 5, 6);
    EXPECT_EQ(rows[0].change, u"model"_s);
    EXPECT_EQ(rows[1].change, u"nothing changed"_s);
    EXPECT_EQ(rows[1].verdict, u"= A"_s);
    EXPECT_EQ(rows[2].change, u"budget 96 → 32"_s);
    EXPECT_EQ(rows[2].verdict, u"≠ A from token 1"_s);
    EXPECT_EQ(rows[2].token, u"x"_s);
    EXPECT_EQ(rows[3].answer, u"answer 3"_s);
}

TEST(ForkTreeData, AnEditIsSaidWithoutThePolicyThatItIsAddedTo) {
    auto comparison = sample();
    const auto said = [&](const std::string& change) {
        comparison->lanes[1].origin.change = change;
        return forkTree(*comparison)[2].change;
    };
    EXPECT_EQ(said("budget 9 → 8, policy top-k:k=2 → top-k:k=2+ban:experts=5"), u"budget 9 → 8, +ban:experts=5"_s);
    EXPECT_EQ(said("policy model → top-k:k=1"), u"policy model → top-k:k=1"_s);
    EXPECT_EQ(said("policy top-k:k=2 → top-k:k=24"), u"policy top-k:k=2 → top-k:k=24"_s);
}

TEST(ForkTreeData, AForkWhoseLaneWasRemovedStandsByItself) {
    auto comparison = sample();
    comparison->lanes.erase(comparison->lanes.begin() + 1);  // B
    const std::vector<ForkTreeRow> rows = forkTree(*comparison);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[2].parent, -1);
    EXPECT_EQ(rows[2].change, u"token \"z\""_s);
    EXPECT_TRUE(hasForks(*comparison));
    comparison->lanes.resize(1);
    EXPECT_FALSE(hasForks(*comparison));
}

TEST(ForkTree, KeysAndMouseChooseALaneAndEveryLineIsPainted) {
    Selection selection;
    ForkTree tree(selection);
    const auto comparison = sample();
    tree.setComparison(comparison);
    tree.resize(520, 220);
    tree.show();
    tree.setFocus();
    QTest::keyClick(&tree, Qt::Key_Home);
    EXPECT_EQ(selection.lane(), comparison->lanes[0].origin.lane);
    QTest::keyClick(&tree, Qt::Key_Down);
    EXPECT_EQ(selection.lane(), comparison->lanes[2].origin.lane);
    EXPECT_TRUE(tree.accessibleDescription().contains(u"goes on from lane A at position 6"_s));
    QTest::mouseClick(&tree, Qt::LeftButton, {}, tree.rowRect(3).center());
    EXPECT_EQ(selection.lane(), comparison->lanes[3].origin.lane);
    EXPECT_TRUE(tree.accessibleDescription().contains(u"“z”"_s)) << tree.accessibleDescription().toStdString();
    const QImage image = tree.renderToImage(1.0);
    for (std::size_t row = 0; row < 4; ++row) {
        const QColor colour = laneColour(comparison->lanes[tree.rows()[row].lane].origin.tag);
        bool painted = false;
        const QRect rect = tree.rowRect(static_cast<int>(row));
        for (int x = rect.left(); x < rect.right() && !painted; ++x) {
            for (int y = rect.top(); y < rect.bottom() && !painted; ++y) painted = image.pixelColor(x, y) == colour;
        }
        EXPECT_TRUE(painted) << row;
    }
}

TEST(ForkTree, NoBranchIsPaintedOverALabel) {
    Selection selection;
    ForkTree tree(selection);
    const auto comparison = sample();
    comparison->lanes[2].origin.change = "policy model → model+ban:experts=1/2/3/4/5/6/7/8/9,layers=0-3";
    tree.setComparison(comparison);
    tree.resize(520, 220);
    tree.show();
    // C goes on from A so late that its label stands left of its branch, where the branch of B comes down.
    ASSERT_EQ(tree.rows()[1].lane, 2U);
    ASSERT_EQ(tree.rows()[2].lane, 1U);
    const QRect label = tree.labelRect(1).toRect();
    EXPECT_LT(label.right(), 520 * 6 / 10);
    EXPECT_GT(label.width(), 150);
    const QImage image = tree.renderToImage(1.0);
    const QColor branch = laneColour(comparison->lanes[1].origin.tag);
    const auto in = [&](const QRect& area) {
        int count = 0;
        for (int x = area.left(); x <= area.right(); ++x) {
            for (int y = area.top(); y <= area.bottom(); ++y) count += image.pixelColor(x, y) == branch ? 1 : 0;
        }
        return count;
    };
    EXPECT_EQ(in(label.adjusted(4, 4, -4, -2)), 0);
    EXPECT_GT(in(tree.rowRect(1)), 0) << "it passes through that row";
}

TEST(ForkTree, ItsTableHoldsParentPositionAndChange) {
    Selection selection;
    ForkTree tree(selection);
    tree.setComparison(sample());
    const QList<QStringList> rows = parseCsv(tree.csv());
    ASSERT_EQ(rows.size(), 5);
    EXPECT_EQ(rows[4].mid(0, 5), (QStringList{u"D"_s, u"B"_s, u"5"_s, u"z"_s, u"token \"z\""_s}));
    EXPECT_EQ(rows[1].mid(0, 5), (QStringList{u"A"_s, QString(), QString(), QString(), QString()}));
    tree.setComparison(nullptr);
    EXPECT_TRUE(tree.rows().empty());
    EXPECT_EQ(parseCsv(tree.csv()).size(), 1);
}

}  // namespace
}  // namespace mixoscope
