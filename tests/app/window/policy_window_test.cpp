// Routing policies and experts in the window: what is chosen reaches the engine, and what the engine did is shown.
#include <QAbstractItemView>
#include <QApplication>
#include <QComboBox>
#include <QDialog>
#include <QDockWidget>
#include <QLabel>
#include <QLineEdit>
#include <QSlider>
#include <QTest>
#include <QToolButton>
#include <algorithm>

#include "app/window/window_settings.h"
#include "sessions/session_file.h"
#include "views/composer.h"
#include "views/expert_inspector.h"
#include "views/heatmap_view.h"
#include "views/policy_editor.h"
#include "views/policy_part_form.h"
#include "views/policy_picker.h"
#include "views/theme.h"
#include "views/timeline.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class PolicyWindowTest : public test::WindowTest {
protected:
    void send(const QString& text) {
        find<QWidget>(u"message_edit"_s).setFocus();
        type(text);
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    }
    void waitForTheBlock() {
        ASSERT_TRUE(test::waitFor([this] {
            return !latest()->lanes.empty() && !latest()->lanes.front().turns.empty() && turn().block_opened;
        }));
    }
    void waitForTheEnd(std::size_t turns) {
        ASSERT_TRUE(test::waitFor([this, turns] {
            return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
                   latest()->lanes.front().turns.size() == turns && turn().stop_reason != StopReason::kNone;
        }));
    }
    PolicyEditor& editor() const { return find<PolicyPicker>(u"policy_picker"_s).editor(); }
    void openEditor() {
        QTest::keyClick(window.get(), Qt::Key_P, Qt::ControlModifier);
        ASSERT_TRUE(QTest::qWaitForWindowActive(&find<QDialog>(u"policy_dialog"_s)));
    }
    void typePolicy(const QString& text) {
        editor().text().setFocus();
        editor().text().selectAll();
        QTest::keyClicks(&editor().text(), text);
        QTest::keyClick(&editor().text(), Qt::Key_Return);
    }
};

TEST_F(PolicyWindowTest, APolicyDraggedWhileTheModelThinksActsAtTheNextTokenAndIsRecorded) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    typePolicy(u"top-k:k=3"_s);
    EXPECT_EQ(workbench->settings().policy, "top-k:k=3");
    // One token in a thousand seconds: the model waits inside its block until the drag is done.
    workbench->setDecodePace(0.001);
    send(u"What is 47 + 85? /think"_s);
    ASSERT_NO_FATAL_FAILURE(waitForTheBlock());
    ASSERT_NO_FATAL_FAILURE(openEditor());
    auto* slider = editor().part(0).findChild<QSlider*>(u"slider_k"_s);
    QTest::mousePress(slider, Qt::LeftButton, {}, test::sliderHandle(*slider, 2));
    for (const int step : {3, 1, 0}) QTest::mouseMove(slider, test::sliderHandle(*slider, step));
    EXPECT_EQ(workbench->settings().policy, "top-k:k=1") << "before the button is released";
    QTest::mouseRelease(slider, Qt::LeftButton, {}, test::sliderHandle(*slider, 0));
    EXPECT_EQ(workbench->settings().policy, "top-k:k=1");
    workbench->setDecodePace(0);
    ASSERT_NO_FATAL_FAILURE(waitForTheEnd(1));
    ASSERT_FALSE(latest()->turn_error) << latest()->turn_error->what;

    const SnapshotPointer kept = latest();
    const LaneSnapshot& lane = kept->lanes.front();
    const auto isChange = [](const LaneEvent& event) { return event.kind == LaneEventKind::kPolicyChanged; };
    ASSERT_GE(std::ranges::count_if(lane.events, isChange), 1);
    const LaneEvent change = *std::ranges::find_if(lane.events.rbegin(), lane.events.rend(), isChange);
    EXPECT_STREQ(static_cast<const char*>(change.text), "top-k:k=1");
    EXPECT_GT(change.position, turn().first_generated_position - 1);
    const auto active = [&](std::int32_t position) { return lane.history.router(position, 0).active; };
    EXPECT_EQ(active(0), 3) << "the prompt";
    EXPECT_EQ(active(lane.history.rowCount() - 1), 1);
    for (std::int32_t position = change.position + 1; position < lane.history.rowCount(); ++position)
        EXPECT_EQ(active(position), 1) << position;
    for (const CheckResult& check : lane.checks) EXPECT_TRUE(check.holds) << check.violation;

    const auto& marks = find<Timeline>(u"timeline"_s).marks();
    const auto mark =
        std::ranges::find_if(marks, [](const TimelineMark& m) { return m.label.contains(u"top-k:k=1"_s); });
    ASSERT_NE(mark, marks.end());
    EXPECT_EQ(mark->step, change.step);
    EXPECT_TRUE(mark->label.startsWith(u"policy"_s) && mark->label.contains(u"→"_s)) << mark->label.toStdString();
    keepPicture(u"window-policy-light"_s);

    ASSERT_TRUE(workbench->flush());
    const SessionReader session(kept->recorder.file);
    int recorded = 0;
    session.replay(
        [](const StepTrace&) {},
        [&](const LaneEvent& event) {
            recorded += isChange(event) && event.step == change.step && std::string(event.text) == "top-k:k=1" ? 1 : 0;
        });
    EXPECT_EQ(recorded, 1);

    find<QDialog>(u"policy_dialog"_s).close();
    window->activateWindow();
    ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    trigger(u"undo"_s);
    EXPECT_EQ(workbench->settings().policy, "top-k:k=3") << "one undo a drag";
    EXPECT_EQ(editor().policy(), u"top-k:k=3"_s);
}

TEST_F(PolicyWindowTest, APolicyTooWideForTheConversationWaitsForTheNextAndSaysSo) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    send(u"What is 2 + 3? /no_think"_s);
    ASSERT_NO_FATAL_FAILURE(waitForTheEnd(1));
    ASSERT_NO_FATAL_FAILURE(openEditor());
    typePolicy(u"top-k:k=64"_s);
    auto* notice = editor().findChild<QLabel*>(u"policy_notice"_s);
    ASSERT_TRUE(test::waitFor([&] { return notice->isVisible(); }));
    EXPECT_TRUE(notice->text().contains(u"next conversation"_s)) << notice->text().toStdString();
    test::WindowTest::keepPicture(u"window-policy-waits-light"_s);
    trigger(u"new_conversation"_s);
    ASSERT_TRUE(test::waitFor([&] { return !latest()->policy_waits && latest()->lanes.empty(); }));
    EXPECT_FALSE(notice->isVisible());
    find<QDialog>(u"policy_dialog"_s).close();
    window->activateWindow();
    ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    send(u"What is 2 + 3? /no_think"_s);
    ASSERT_NO_FATAL_FAILURE(waitForTheEnd(1));
    EXPECT_EQ(latest()->lanes.front().history.shape().slots, 64);
    EXPECT_EQ(latest()->lanes.front().settings.policy, "top-k:k=64");
}

TEST_F(PolicyWindowTest, PoliciesThatWereChosenAreOfferedAgain) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    typePolicy(u"top-k:k=3"_s);
    typePolicy(u"random:seed=7"_s);
    TearDown();
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    EXPECT_EQ(WindowSettings(settingsFile()).recentPolicies(), (QStringList{u"random:k=4,seed=7"_s, u"top-k:k=3"_s}));
    EXPECT_EQ(workbench->settings().policy, "model") << "a new start begins with the checkpoint's own rule";
}

TEST_F(PolicyWindowTest, ThePickerNeverLeavesTheBar) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    for (const QSize size : {QSize(1600, 1000), QSize(1024, 640), QSize(1280, 800), QSize(1024, 640)}) {
        window->resize(size);
        test::WindowTest::keepPicture(u"window-policy-%1-light"_s.arg(size.width()));
        QRect before;
        for (const QString& name : {u"mode_switch"_s, u"budget_slider"_s, u"answer_now"_s, u"policy_rule"_s,
                                    u"policy_parameters"_s, u"record_button"_s}) {
            auto& widget = find<QWidget>(name);
            const QRect place(widget.mapTo(window.get(), QPoint(0, 0)), widget.size());
            EXPECT_TRUE(window->rect().contains(place)) << name.toStdString() << " at " << size.width();
            EXPECT_TRUE(widget.isVisible()) << name.toStdString();
            EXPECT_FALSE(place.intersects(before)) << name.toStdString() << " at " << size.width();
            before = place;
        }
    }
}

TEST_F(PolicyWindowTest, ADoubleClickInTheHeatmapOpensTheExpert) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    send(u"What is 47 + 85? /think"_s);
    ASSERT_NO_FATAL_FAILURE(waitForTheEnd(1));
    auto& dock = find<QDockWidget>(u"dock_expert"_s);
    EXPECT_TRUE(dock.visibleRegion().isEmpty());
    HeatmapCanvas& canvas = find<HeatmapView>(u"heatmapView"_s).canvas();
    const SnapshotPointer kept = latest();
    const History& history = kept->lanes.front().history;
    const std::int32_t row = history.rowCount() - 2;
    const std::int32_t expert = history.experts(row, 0)[0];
    const QRectF& plot = canvas.layoutRects().plot;
    const QPoint place(static_cast<int>(canvas.axis().toX(row + 0.5)),
                       static_cast<int>(plot.top() + (expert + 0.5) * plot.height() / history.shape().experts));
    ASSERT_EQ(canvas.rowAt(place), expert);
    QTest::mouseDClick(&canvas, Qt::LeftButton, {}, place);
    ASSERT_TRUE(test::waitFor([&] { return !dock.visibleRegion().isEmpty(); }));
    auto& inspector = find<ExpertInspector>(u"expertInspector"_s);
    std::int64_t hits = 0;
    for (std::int32_t position = 0; position < history.rowCount(); ++position)
        hits += std::ranges::count(history.experts(position, 0), static_cast<std::int16_t>(expert));
    EXPECT_GT(hits, 0);
    EXPECT_EQ(inspector.tokens().rowCount(), hits);
    for (const ExpertInspector::Page page :
         {ExpertInspector::Page::kTokens, ExpertInspector::Page::kLoad, ExpertInspector::Page::kKinds,
          ExpertInspector::Page::kPairs, ExpertInspector::Page::kLayer}) {
        inspector.setPage(page);
        keepPicture(u"window-expert-%1-light"_s.arg(static_cast<int>(page)));
    }
    inspector.setPage(ExpertInspector::Page::kTokens);
    Theme::instance().setChoice(ThemeChoice::kDark);
    keepPicture(u"window-expert-dark"_s);
    Theme::instance().setChoice(ThemeChoice::kLight);
    window->resize(1024, 640);
    QTest::qWait(50);  // the panels are arranged after the resize
    window->showPanel(u"expert"_s);
    keepPicture(u"window-expert-1024-light"_s);
}

}  // namespace
}  // namespace mixoscope
