// What-if as a person asks it: a token is selected, the dialog opened, an expert banned, and the fork runs beside the
// turn that it left; the session file holds it.
#include <QAction>
#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QContextMenuEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QTest>
#include <QTimer>
#include <QToolBar>
#include <QToolButton>
#include <algorithm>
#include <cmath>

#include "app/window/comparison_workspace.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/fork_tree.h"
#include "views/heatmap_canvas.h"
#include "views/lane_header.h"
#include "views/lanes_text.h"
#include "views/lanes_view.h"
#include "views/metrics_view.h"
#include "views/what_if_dialog.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class WhatIfWindow : public test::WindowTest {
protected:
    /// A finished turn.
    void chat(QSize size = {1600, 1000}) {
        ASSERT_NO_FATAL_FAILURE(open("demo", size));
        LaneSettings settings = workbench->settings();
        settings.sampling.greedy = true;
        workbench->setSettings(settings);
        ask(u"What is 47 + 85? /think"_s);
    }
    void ask(const QString& text) {
        find<MessageEdit>(u"message_edit"_s).setFocus();
        type(text);
        const std::size_t turns = latest()->lanes.empty() ? 0 : latest()->lanes.front().turns.size();
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        ASSERT_TRUE(test::waitFor([&] {
            return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
                   latest()->lanes.front().turns.size() > turns &&
                   latest()->lanes.front().turns.back().stop_reason != StopReason::kNone;
        }));
    }
    const LaneSnapshot& chatLane() const { return latest()->lanes.front(); }
    /// Position of the nth token after the prompt.
    std::int32_t generated(std::int32_t index) const { return turn().first_generated_position + index; }
    /// Clicks the token in the chat.
    void select(std::int32_t position) {
        auto& view = dynamic_cast<ChatView&>(*window->findView(u"chat"_s));
        QTest::mouseClick(view.viewport(), Qt::LeftButton, {}, view.tokenRect(position).center());
        ASSERT_EQ(window->selection().token(), position);
    }
    WhatIfDialog& openDialog() {
        window->activateWindow();
        EXPECT_TRUE(QTest::qWaitForWindowActive(window.get()));
        auto& action = find<QAction>(u"action_what_if"_s);
        EXPECT_TRUE(action.isEnabled()) << action.toolTip().toStdString();
        QTest::keyClick(window.get(), Qt::Key_K, Qt::ControlModifier);
        return shownDialog();
    }
    WhatIfDialog& shownDialog() const {
        auto& dialog = find<WhatIfDialog>(u"what_if"_s);
        EXPECT_TRUE(dialog.isVisible());
        EXPECT_TRUE(QTest::qWaitForWindowActive(&dialog));
        return dialog;
    }
    template <typename Widget>
    static Widget& in(const QWidget& parent, const QString& name) {
        auto* widget = parent.findChild<Widget*>(name);
        if (widget == nullptr) throw std::runtime_error("no widget " + name.toStdString());
        return *widget;
    }
    std::size_t forkCount() const {
        return latest()->forks.empty() ? 0 : latest()->forks.back().lanes->lanes.size() - 1;
    }
    /// Presses the button and waits until the fork has ended.
    void run(WhatIfDialog& dialog) {
        const std::size_t before = forkCount();
        QTest::mouseClick(&in<QPushButton>(dialog, u"what_if_fork"_s), Qt::LeftButton);
        ASSERT_TRUE(test::waitFor([&] {
            return latest()->state == WorkbenchState::kReady && forkCount() == before + 1 && isDone(fork(before));
        })) << in<QLabel>(dialog, u"what_if_error"_s).text().toStdString();
        EXPECT_FALSE(dialog.isVisible());
    }
    static bool isDone(const ComparedLane& lane) {
        return !lane.free.turns.empty() && lane.free.turns.back().stop_reason != StopReason::kNone;
    }
    const ComparedLane& fork(std::size_t index) const { return latest()->forks.back().lanes->lanes[index + 1]; }
    LanesView& lanes() const { return find<LanesView>(u"lanes_view"_s); }
    ForkTree& tree() const { return find<ForkTree>(u"fork_tree"_s); }
};

std::vector<TokenId> idsOf(const History& history) {
    std::vector<TokenId> ids;
    for (std::int32_t position = 0; position < history.tokenCount(); ++position)
        ids.push_back(history.token(position).trace.id);
    return ids;
}

/// Every expert, weight and log-probability of the rows and tokens from `from` on.
bool sameBits(const History& a, const History& b, std::int32_t from) {
    if (a.tokenCount() != b.tokenCount() || a.rowCount() != b.rowCount()) return false;
    for (std::int32_t position = from; position < a.tokenCount(); ++position) {
        const TokenTrace& left = a.token(position).trace;
        const TokenTrace& right = b.token(position).trace;
        if (left.id != right.id || left.flags != right.flags) return false;
        if (!(left.logprob == right.logprob) && !(std::isnan(left.logprob) && std::isnan(right.logprob))) return false;
        if (position >= a.rowCount()) continue;
        for (std::int32_t layer = 0; layer < a.shape().moe_layers; ++layer) {
            if (!std::ranges::equal(a.experts(position, layer), b.experts(position, layer))) return false;
            if (!std::ranges::equal(a.weights(position, layer), b.weights(position, layer))) return false;
        }
    }
    return true;
}

TEST_F(WhatIfWindow, BanningAnExpertOfATokenGoesOnAsALaneOfItsOwn) {
    ASSERT_NO_FATAL_FAILURE(chat());
    const std::int32_t at = generated(6);
    ASSERT_NO_FATAL_FAILURE(select(at));
    window->selection().setLayer(1);
    const History before = chatLane().history;
    WhatIfDialog& dialog = openDialog();
    EXPECT_TRUE(in<QLabel>(dialog, u"what_if_place"_s).text().contains(QString::number(at)));
    const std::int16_t likeliest = before.experts(at, 1)[0];
    const QString policy = in<QLabel>(dialog, u"what_if_policy"_s).text();
    EXPECT_EQ(policy, u"model+ban:experts=%1,layers=1,positions=%2"_s.arg(likeliest).arg(at));
    // What the edit meets, said before it runs, is what the records say.
    const QString effect = in<QLabel>(dialog, u"what_if_effect"_s).text();
    EXPECT_TRUE(effect.contains(u"expert %1 has rank 1 of 4"_s.arg(likeliest))) << effect.toStdString();
    EXPECT_TRUE(effect.contains(u"Next in line: expert %1"_s.arg(before.router(at, 1).next_expert)));
    keepPicture(u"window-what-if-light"_s);
    dialog.grab().save(qEnvironmentVariable("MIXO_ARTEFACTS", u"view_artefacts"_s) + u"/what-if-light.png"_s);
    QTest::mouseClick(&in<QToolButton>(dialog, u"edit_add"_s), Qt::LeftButton);  // layer 0 as well
    EXPECT_TRUE(in<QLabel>(dialog, u"what_if_policy"_s).text().contains(u"layers=0"_s));
    ASSERT_NO_FATAL_FAILURE(run(dialog));

    // The new lane: where it parts from the turn is where its tokens do.
    EXPECT_EQ(window->workspace(), Workspace::kCompare);
    const ComparedLane& lane = fork(0);
    EXPECT_EQ(lane.origin.parent, chatLane().lane);
    EXPECT_EQ(lane.origin.position, at + 1);
    const std::vector<TokenId> base = idsOf(before);
    const std::vector<TokenId> ids = idsOf(lane.free.history);
    const auto [left, right] = std::mismatch(base.begin(), base.end(), ids.begin(), ids.end());
    const auto parted = static_cast<std::int32_t>(left - base.begin());
    const bool same = left == base.end() && right == ids.end();
    EXPECT_EQ(lane.first_divergence, same ? -1 : parted - turn().first_generated_position);
    EXPECT_GT(same ? at + 1 : parted, at) << "what was shared is the same";
    for (const std::int32_t layer : {0, 1}) {
        const auto run = lane.free.history.experts(at, layer);
        EXPECT_EQ(std::ranges::find(run, before.experts(at, layer)[0]), run.end())
            << "the expert ran in layer " << layer;
        EXPECT_EQ(std::ranges::count_if(run, [](std::int16_t id) { return id >= 0; }), 4);
    }
    EXPECT_TRUE(sameBits(chatLane().history, before, 0)) << "the conversation is as it was";

    // Header, tree and metrics show it.
    ASSERT_TRUE(test::waitFor([this] { return lanes().laneCount() == 2; }));
    EXPECT_EQ(lanes().header(1).verdict(),
              same ? u"= A"_s : u"≠ A from token %1"_s.arg(parted - turn().first_generated_position));
    EXPECT_TRUE(lanes().header(1).facts().contains(u"fork"_s)) << lanes().header(1).facts().toStdString();
    ASSERT_EQ(tree().rows().size(), 2U);
    EXPECT_TRUE(tree().isVisible());
    EXPECT_EQ(tree().rows()[1].parent, 0);
    EXPECT_EQ(tree().rows()[1].first, at + 1);
    EXPECT_TRUE(tree().rows()[1].change.contains(u"ban:experts=%1"_s.arg(likeliest)));
    EXPECT_EQ(find<MetricsView>(u"metrics_view"_s).table().rows.size(), 2U);
    keepPicture(u"window-forks-light"_s);

    // The session file holds it: the same tree, the same tokens.
    ASSERT_TRUE(workbench->flush());
    const auto recorded = snapshotOfSession(latest()->recorder.file);
    ASSERT_EQ(recorded->forks.size(), 1U);
    const auto& kept = recorded->forks[0].lanes->lanes;
    ASSERT_EQ(kept.size(), 2U);
    EXPECT_EQ(kept[1].origin.change, lane.origin.change);
    EXPECT_EQ(kept[1].origin.position, lane.origin.position);
    EXPECT_EQ(kept[1].first_divergence, lane.first_divergence);
    EXPECT_TRUE(sameBits(kept[1].free.history, lane.free.history, 0));
}

TEST_F(WhatIfWindow, AForkThatChangesNothingRepeatsTheTurnBitForBit) {
    ASSERT_NO_FATAL_FAILURE(chat());
    ASSERT_NO_FATAL_FAILURE(select(generated(5)));
    WhatIfDialog& dialog = openDialog();
    QTest::mouseClick(&in<QToolButton>(dialog, u"edit_remove"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([&] { return dialog.changes().edits.empty(); }));
    EXPECT_TRUE(in<QLabel>(dialog, u"what_if_sharing"_s).text().contains(u"Nothing is changed"_s));
    ASSERT_NO_FATAL_FAILURE(run(dialog));
    EXPECT_EQ(fork(0).first_divergence, -1);
    EXPECT_TRUE(sameBits(fork(0).free.history, chatLane().history, 0));
    EXPECT_EQ(fork(0).origin.change, "");
    EXPECT_EQ(tree().rows()[1].change, u"nothing changed"_s);
    EXPECT_EQ(lanes().header(1).verdict(), u"= A"_s);
}

TEST_F(WhatIfWindow, AnotherTokenBudgetOrPolicyAndForksOfForks) {
    ASSERT_NO_FATAL_FAILURE(chat());
    const std::int32_t at = generated(4);
    ASSERT_NO_FATAL_FAILURE(select(at));
    WhatIfDialog& first = openDialog();
    auto& token = in<QLineEdit>(first, u"other_token_text"_s);
    token.setFocus();
    QTest::keyClicks(&token, u"17"_s);
    EXPECT_TRUE(in<QCheckBox>(first, u"other_token"_s).isChecked()) << "what is written is meant";
    EXPECT_FALSE(in<QPushButton>(first, u"what_if_fork"_s).isEnabled()) << "two tokens";
    EXPECT_TRUE(in<QLabel>(first, u"what_if_error"_s).text().contains(u"is 2 tokens"_s));
    token.selectAll();
    const QString other = chatLane().history.token(at).bytes == "9" ? u"8"_s : u"9"_s;
    QTest::keyClicks(&token, other);
    ASSERT_NO_FATAL_FAILURE(run(first));
    EXPECT_EQ(fork(0).origin.position, at);
    EXPECT_EQ(fork(0).free.history.token(at).bytes, other.toStdString());
    EXPECT_EQ(fork(0).first_divergence, 4);

    // In the compare workspace a token of lane B is forked again, with a policy that is refused until it is one.
    LanesText& text = lanes().text();
    ASSERT_TRUE(test::waitFor([&] { return !text.tokenRect(1, 6).isEmpty(); }));
    QTest::mouseClick(&text, Qt::LeftButton, {}, text.tokenRect(1, 6).center().toPoint());
    ASSERT_TRUE(find<QAction>(u"action_what_if"_s).isEnabled());
    trigger(u"what_if"_s);
    WhatIfDialog& second = shownDialog();
    auto& policy = in<QLineEdit>(second, u"other_policy_text"_s);
    policy.setFocus();
    policy.selectAll();
    QTest::keyClicks(&policy, u"top-k:k=99"_s);
    EXPECT_FALSE(in<QPushButton>(second, u"what_if_fork"_s).isEnabled());
    EXPECT_TRUE(in<QLabel>(second, u"what_if_error"_s).text().contains(u"99"_s));
    policy.selectAll();
    QTest::keyClicks(&policy, u"top-k:k=1"_s);
    auto& budget = in<BudgetField>(second, u"other_budget_tokens"_s);
    budget.setFocus();
    budget.selectAll();
    QTest::keyClicks(&budget, u"12"_s);
    QTest::keyClick(&budget, Qt::Key_Tab);
    EXPECT_TRUE(in<QCheckBox>(second, u"other_budget"_s).isChecked());
    ASSERT_NO_FATAL_FAILURE(run(second));
    EXPECT_EQ(fork(1).origin.parent, fork(0).origin.lane);
    EXPECT_EQ(fork(1).free.settings.budget, 12);
    EXPECT_TRUE(fork(1).free.settings.policy.starts_with("top-k:k=1")) << fork(1).free.settings.policy;
    ASSERT_EQ(tree().rows().size(), 3U);
    EXPECT_EQ(tree().rows()[2].depth, 2);
    EXPECT_EQ(latest()->forks.back().lanes->lanes[2].free.turns.back().thinking_tokens, 12);

    // By keys and by the mouse a lane is chosen in the tree.
    tree().setFocus();
    QTest::keyClick(&tree(), Qt::Key_Home);
    EXPECT_EQ(window->comparison().selection().lane(), chatLane().lane);
    QTest::mouseClick(&tree(), Qt::LeftButton, {}, tree().rowRect(2).center());
    EXPECT_EQ(window->comparison().selection().lane(), fork(1).origin.lane);
}

TEST_F(WhatIfWindow, ALongPolicyMakesTheDialogNoWider) {
    ASSERT_NO_FATAL_FAILURE(chat());
    ASSERT_NO_FATAL_FAILURE(select(generated(5)));
    WhatIfDialog& dialog = openDialog();
    const int wide = dialog.width();
    auto& policy = in<QLineEdit>(dialog, u"other_policy_text"_s);
    const QString part = u"+bias:experts=1,add=0.5,positions=11"_s;
    policy.setText(u"model"_s + part.repeated(30));
    const QString shown = in<QLabel>(dialog, u"what_if_policy"_s).text();
    EXPECT_GT(shown.size(), 1000);
    QCoreApplication::processEvents();
    EXPECT_EQ(dialog.width(), wide);
    EXPECT_LT(dialog.minimumSizeHint().width(), wide + 1);
    EXPECT_LT(dialog.height(), 700);
    policy.setText(u"model"_s + part.repeated(30) + u"+nonsense:"_s + u"x"_s.repeated(200));
    EXPECT_TRUE(in<QLabel>(dialog, u"what_if_error"_s).isVisible());
    QCoreApplication::processEvents();
    EXPECT_EQ(dialog.width(), wide) << "what is wrong with it has long words too";
    for (const QString& name : {u"what_if_policy"_s, u"what_if_sharing"_s, u"what_if_error"_s}) {
        const auto& label = in<QLabel>(dialog, name);
        EXPECT_GE(label.height(), label.heightForWidth(label.width())) << name.toStdString() << " is cut off";
    }
    EXPECT_LT(dialog.height(), 700);
    dialog.grab().save(qEnvironmentVariable("MIXO_ARTEFACTS", u"view_artefacts"_s) + u"/what-if-long-light.png"_s);
}

TEST_F(WhatIfWindow, TheBarOfTheLanesKeepsItsButtonsInANarrowWindow) {
    ASSERT_NO_FATAL_FAILURE(chat({1024, 700}));
    ASSERT_NO_FATAL_FAILURE(select(generated(5)));
    ASSERT_NO_FATAL_FAILURE(run(openDialog()));
    auto& bar = find<QToolBar>(u"comparison_bar"_s);
    for (const int width : {1024, 1200, 1399, 1400, 1600}) {
        window->resize(width, 700);
        QTest::qWait(50);
        ASSERT_TRUE(in<QComboBox>(bar, u"comparison_source"_s).isVisible());
        for (const QString& name : {u"run_all"_s, u"comparison_csv"_s, u"comparison_image"_s}) {
            const auto& button = in<QAbstractButton>(bar, name);
            EXPECT_TRUE(button.isVisible() && !button.visibleRegion().isEmpty())
                << name.toStdString() << " at " << width;
        }
    }
}

TEST_F(WhatIfWindow, WhatCannotBeForkedSaysWhy) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    auto& action = find<QAction>(u"action_what_if"_s);
    EXPECT_FALSE(action.isEnabled());
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /no_think"_s));
    EXPECT_FALSE(action.isEnabled());
    EXPECT_TRUE(action.toolTip().startsWith(u"Select a token first"_s));
    window->selection().setToken(0);
    EXPECT_TRUE(action.toolTip().contains(u"prompt"_s)) << action.toolTip().toStdString();
    EXPECT_FALSE(action.isEnabled());
    window->selection().setToken(generated(0) - 1);
    EXPECT_TRUE(action.isEnabled()) << "the prompt's last token is fed to choose the first one";
    window->selection().setToken(generated(0));
    EXPECT_TRUE(action.isEnabled());
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 3 + 3? /no_think"_s));
    window->selection().setTurn(0);
    window->selection().setToken(latest()->lanes.front().turns.front().first_generated_position);
    EXPECT_FALSE(action.isEnabled());
    EXPECT_TRUE(action.toolTip().contains(u"earlier turn"_s)) << action.toolTip().toStdString();
}

TEST_F(WhatIfWindow, TheInspectorsButtonAndAContextMenuOpenItForTheirToken) {
    ASSERT_NO_FATAL_FAILURE(chat());
    ASSERT_NO_FATAL_FAILURE(select(generated(3)));
    QTest::mouseClick(&find<QToolButton>(u"inspector_action_what_if"_s), Qt::LeftButton);
    WhatIfDialog& dialog = shownDialog();
    EXPECT_EQ(dialog.point().position, generated(3));
    QTest::keyClick(&dialog, Qt::Key_Escape);
    EXPECT_FALSE(dialog.isVisible());

    // The menu is about the token under the pointer, whatever was selected before.
    auto& view = dynamic_cast<ChatView&>(*window->findView(u"chat"_s));
    const QPoint point = view.tokenRect(generated(8)).center();
    QTest::mouseMove(view.viewport(), point);
    bool seen = false;
    QTimer::singleShot(0, [&] {
        auto* menu = qobject_cast<QMenu*>(QApplication::activePopupWidget());
        if (menu == nullptr) return;
        for (QAction* entry : menu->actions()) seen = seen || entry->objectName() == u"action_what_if"_s;
        menu->close();
    });
    QContextMenuEvent event(QContextMenuEvent::Mouse, point, view.viewport()->mapToGlobal(point));
    QApplication::sendEvent(view.viewport(), &event);
    EXPECT_TRUE(seen);
    EXPECT_EQ(window->selection().token(), generated(8));
}

}  // namespace
}  // namespace mixoscope
