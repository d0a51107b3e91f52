// The window without a mouse: Tab reaches everything, shows where it is, is caught nowhere and comes back.
#include <QApplication>
#include <QDialog>
#include <QImage>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPointer>
#include <QScreen>
#include <QScrollArea>
#include <QScrollBar>
#include <QTest>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "views/chat_view.h"
#include "views/exportable_view.h"
#include "views/heatmap_view.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

/// A place that Tab came to.
struct Stop {
    QPointer<QWidget> widget;
    QString name;       // "panel/object"
    bool seen = false;  // something changed where the widget is
};

QString nameOf(const QWidget& widget) {
    const QString own =
        widget.objectName().isEmpty() ? QString::fromLatin1(widget.metaObject()->className()) : widget.objectName();
    for (const QWidget* at = &widget; at != nullptr; at = at->parentWidget()) {
        if (at->objectName().startsWith(u"dock_"_s) || at->objectName().endsWith(u"_bar"_s))
            return at->objectName() + u'/' + own;
    }
    return own;
}

class KeyboardWindowTest : public test::WindowTest {
protected:
    void ask(const QString& text) {
        const std::size_t asked = latest()->lanes.empty() ? 1 : latest()->lanes.front().turns.size() + 1;
        find<QWidget>(u"composer"_s).setFocus();
        type(text);
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        ASSERT_TRUE(test::waitFor([this, asked] {
            return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
                   latest()->lanes.front().turns.size() == asked && turn().stop_reason != StopReason::kNone;
        }));
    }
    /// Presses Tab in `top` until the focus is where it began; at most 120 times.
    static std::vector<Stop> tabThrough(QWidget& top, Qt::KeyboardModifiers modifiers = {}) {
        std::vector<Stop> stops;
        const QWidget* first = top.focusWidget();
        QTest::qWait(50);  // what came with the last snapshot is shown when events are handled
        QImage before = renderWidget(top, 1.0);
        for (int press = 0; press < 120; ++press) {
            QTest::keyClick(top.focusWidget(), Qt::Key_Tab, modifiers);
            QWidget* now = top.focusWidget();
            if (now == nullptr) break;
            QCoreApplication::processEvents();
            const QImage after = renderWidget(top, 1.0);
            const QRect place = QRect(now->mapTo(&top, QPoint(0, 0)), now->size()) & top.rect();
            stops.push_back({now, nameOf(*now), before.copy(place) != after.copy(place)});
            before = after;
            if (now == first) break;
        }
        return stops;
    }
    /// Comes back to `first`, shows each place, and comes to `places`.
    static void expectGood(const std::vector<Stop>& stops, const QWidget* first, const QStringList& places = {}) {
        QStringList names;
        for (const Stop& stop : stops) names << stop.name;
        ASSERT_FALSE(stops.empty());
        EXPECT_EQ(stops.back().widget.data(), first) << "caught: " << names.join(u' ').toStdString();
        for (const Stop& stop : stops) EXPECT_TRUE(stop.seen) << "not seen: " << stop.name.toStdString();
        for (const QString& place : places)
            EXPECT_TRUE(names.contains(place))
                << place.toStdString() << " is not among " << names.join(u' ').toStdString();
    }
};

TEST_F(KeyboardWindowTest, TabShowsWhereItIsInTheChat) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /think"_s));
    window->selection().setToken(turn().first_generated_position + 2);
    window->showPanel(u"sessions"_s);
    window->showPanel(u"log"_s);
    find<QWidget>(u"composer"_s).setFocus();
    const QWidget* first = QApplication::focusWidget();
    const QStringList places{u"control_bar/model_picker"_s,  u"control_bar/mode_0"_s,
                             u"control_bar/budget_slider"_s, u"control_bar/budget_field"_s,
                             u"control_bar/policy_rule"_s,   u"control_bar/policy_parameters"_s,
                             u"control_bar/record_button"_s, u"workspaces"_s,
                             u"dock_chat/chat_view"_s,       u"dock_chat/tokenStrip"_s,
                             u"dock_chat/message_edit"_s,    u"dock_heatmap/heatmapCanvas"_s,
                             u"dock_heatmap/projection0"_s,  u"dock_inspector/tokenLayers"_s,
                             u"dock_checks/checksTable"_s,   u"dock_timeline/timeline"_s,
                             u"dock_load/loadWindow"_s,      u"dock_sessions/session_files"_s,
                             u"dock_log/log_view"_s};
    const std::vector<Stop> onwards = tabThrough(*window);
    expectGood(onwards, first, places);
    const std::vector<Stop> back = tabThrough(*window, Qt::ShiftModifier);
    expectGood(back, first, places);
    ASSERT_EQ(onwards.size(), back.size());
    for (std::size_t i = 0; i + 1 < back.size(); ++i)
        EXPECT_EQ(back[i].widget, onwards[back.size() - 2 - i].widget) << back[i].name.toStdString();
}

TEST_F(KeyboardWindowTest, TabShowsWhereItIsInTheComparison) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    QTest::keyClick(window.get(), Qt::Key_2, Qt::ControlModifier);
    QTest::keyClicks(QApplication::focusWidget(), u"What is 2 + 3?"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([this] {
        return latest()->state == WorkbenchState::kReady && latest()->comparison != nullptr &&
               latest()->comparison->forced_complete;
    }));
    const QWidget* first = QApplication::focusWidget();
    expectGood(tabThrough(*window), first,
               {u"dock_lanes/comparison_prompt"_s, u"dock_lanes/lane_edit"_s, u"dock_lanes/lanes_text"_s,
                u"dock_lanes/difference_map_B"_s, u"dock_metrics/metrics_table"_s, u"comparison_bar/lane_add"_s,
                u"comparison_bar/edit_lanes"_s, u"comparison_bar/comparison_measure"_s,
                u"comparison_bar/comparison_csv"_s, u"comparison_bar/run_all"_s});
}

TEST_F(KeyboardWindowTest, TabShowsWhereItIsInTheDialogs) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    const auto check = [&](const QString& name) {
        auto& dialog = find<QDialog>(name);
        dialog.activateWindow();
        ASSERT_TRUE(QTest::qWaitForWindowActive(&dialog));
        if (dialog.focusWidget() == nullptr) QTest::keyClick(&dialog, Qt::Key_Tab);
        const QWidget* first = dialog.focusWidget();
        ASSERT_NE(first, nullptr);
        expectGood(tabThrough(dialog), first);
        dialog.close();
        window->activateWindow();
        ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    };
    trigger(u"settings"_s);
    ASSERT_NO_FATAL_FAILURE(check(u"settings_dialog"_s));
    trigger(u"policy"_s);
    ASSERT_NO_FATAL_FAILURE(check(u"policy_dialog"_s));
    trigger(u"workspace_compare"_s);
    ASSERT_TRUE(test::waitFor([this] { return latest()->comparison != nullptr; }));
    trigger(u"edit_lanes"_s);
    ASSERT_NO_FATAL_FAILURE(check(u"lane_editor"_s));
}

TEST_F(KeyboardWindowTest, TheListOfKeysFitsAScreenOfAnyHeight) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    trigger(u"keys"_s);
    auto& dialog = find<QDialog>(u"keys_dialog"_s);
    EXPECT_TRUE(dialog.isVisible());
    EXPECT_LT(dialog.height(), dialog.screen()->availableGeometry().height());
    QStringList said;
    for (const QLabel* label : dialog.findChildren<QLabel*>()) said << label->text();
    EXPECT_GT(said.size(), 70) << "keys and what they do";
    EXPECT_TRUE(said.contains(u"Alt+PgDown"_s)) << said.join(u' ').toStdString();
    auto& list = *dialog.findChild<QScrollArea*>(u"keys_list"_s);
    EXPECT_LE(list.widget()->width(), list.viewport()->width());
    dialog.resize(dialog.width(), 300);
    EXPECT_TRUE(test::waitFor([&] { return list.verticalScrollBar()->maximum() > 0; }));
    dialog.activateWindow();
    ASSERT_TRUE(QTest::qWaitForWindowActive(&dialog));
    QTest::keyClick(&dialog, Qt::Key_Escape);
    EXPECT_FALSE(dialog.isVisible());
}

TEST_F(KeyboardWindowTest, TabShowsWhereItIsOnTheStartPage) {
    ASSERT_NO_FATAL_FAILURE(open({}));
    const QWidget* first = QApplication::focusWidget();
    expectGood(tabThrough(*window), first);
}

TEST_F(KeyboardWindowTest, AnEarlierTurnIsShownAndLeftWithKeys) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /think"_s));
    const std::int32_t rows = latest()->lanes.front().history.rowCount();
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 7 + 8? /no_think"_s));
    ASSERT_NE(latest()->lanes.front().history.rowCount(), rows);
    const HeatmapCanvas& canvas = find<HeatmapView>(u"heatmapView"_s).canvas();
    QTest::keyClick(window.get(), Qt::Key_Up, Qt::AltModifier);
    EXPECT_EQ(window->selection().turn(), 0);
    EXPECT_EQ(canvas.history().rowCount(), rows);
    QTest::keyClick(window.get(), Qt::Key_Up, Qt::AltModifier);
    EXPECT_EQ(window->selection().turn(), 0) << "there is none before the first";
    QTest::keyClick(window.get(), Qt::Key_Down, Qt::AltModifier);
    EXPECT_EQ(window->selection().turn(), -1) << "the newest one follows the chat";
    EXPECT_EQ(canvas.history().rowCount(), latest()->lanes.front().history.rowCount());
}

TEST_F(KeyboardWindowTest, TokensAndLayersAreSteppedWhileAMessageIsWritten) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /think"_s));
    const auto layers = static_cast<std::int32_t>(latest()->model->moe_layers.size());
    ASSERT_GT(layers, 2);
    Selection& selection = window->selection();
    selection.setToken(10);
    auto& message = *find<QWidget>(u"composer"_s).findChild<QPlainTextEdit*>();
    ASSERT_EQ(QApplication::focusWidget(), &message);
    const auto press = [](Qt::Key key, Qt::KeyboardModifiers with = {}) {
        QTest::keyClick(QApplication::focusWidget(), key, with);
    };
    type(u"[j]"_s);
    EXPECT_EQ(message.toPlainText(), u"[j]"_s);
    EXPECT_EQ(selection.layer(), 0);
    EXPECT_EQ(selection.token(), 10);
    press(Qt::Key_PageDown, Qt::AltModifier);
    press(Qt::Key_PageDown, Qt::AltModifier);
    EXPECT_EQ(selection.layer(), 2);
    press(Qt::Key_PageUp, Qt::AltModifier);
    EXPECT_EQ(selection.layer(), 1);
    for (int i = 0; i < layers + 1; ++i) press(Qt::Key_PageDown, Qt::AltModifier);
    EXPECT_EQ(selection.layer(), layers - 1) << "there is none after the last";
    press(Qt::Key_Left, Qt::AltModifier);
    EXPECT_EQ(selection.token(), 9);
    press(Qt::Key_Right, Qt::AltModifier);
    press(Qt::Key_Right, Qt::AltModifier);
    EXPECT_EQ(selection.token(), 11);
    EXPECT_EQ(message.toPlainText(), u"[j]"_s) << "the message is as it was";

    find<ChatView>(u"chat_view"_s).setFocus();
    press(Qt::Key_BracketLeft);
    EXPECT_EQ(selection.layer(), layers - 2) << "outside a text the keys are enough";
    press(Qt::Key_BracketRight);
    EXPECT_EQ(selection.layer(), layers - 1);
    press(Qt::Key_J);
    EXPECT_EQ(selection.token(), 10);
}

}  // namespace
}  // namespace mixoscope
