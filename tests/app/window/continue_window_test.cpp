// A recording is gone on with in the window, as a person does it: opened, scrubbed, and continued by the button; new
// tokens appear behind the recorded ones, in a new session file, and the recording stays as it is.
#include <QAction>
#include <QApplication>
#include <QLabel>
#include <QMessageBox>
#include <QPushButton>
#include <QTest>
#include <cmath>
#include <fstream>
#include <iterator>

#include "app/window/comparison_workspace.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/playback.h"
#include "sessions/session_snapshot.h"
#include "support/tiny_model.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/mode_switch.h"
#include "views/seek_bar.h"
#include "views/what_if_dialog.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class ContinueWindow : public test::WindowTest {
protected:
    void ask(const QString& question) {
        const std::size_t turns = turnsShown();
        find<Composer>(u"composer"_s).setFocus();
        type(question);
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        ASSERT_TRUE(test::waitFor([&] {
            return latest()->state == WorkbenchState::kReady && turnsShown() == turns + 1 &&
                   turn().stop_reason != StopReason::kNone;
        }));
    }
    std::size_t turnsShown() const { return latest()->lanes.empty() ? 0 : latest()->lanes.front().turns.size(); }
    const History& history() const { return latest()->lanes.front().history; }
    /// The session of the live chat, which is left, so that its file is complete and stands alone.
    QString recorded() {
        EXPECT_TRUE(workbench->flush());
        const QString file = QString::fromStdString(latest()->recorder.file.string());
        trigger(u"new_conversation"_s);
        EXPECT_TRUE(test::waitFor([this] { return turnsShown() == 0; }));
        return file;
    }
    void openRecording(const QString& file) {
        window->openSession(file);
        ASSERT_TRUE(test::waitFor(
            [this] { return latest()->playback != nullptr && latest()->playback->state != PlaybackState::kReading; }));
    }
    /// By the pointer, on the bar.
    void scrubTo(std::int64_t step) {
        auto& bar = find<SeekBar>(u"seek_bar"_s);
        QTest::mouseClick(&bar, Qt::LeftButton, Qt::NoModifier, bar.pointOf(step));
        ASSERT_TRUE(test::waitFor([&] { return latest()->playback->step == step; })) << latest()->playback->step;
    }
    QPushButton& button() const { return find<QPushButton>(u"recording_continue"_s); }
    static std::string bytesOf(const QString& file) {
        std::ifstream stream(file.toStdString(), std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    }
    static void expectSameTokens(const History& a, const History& b, std::int32_t count) {
        ASSERT_GE(a.tokenCount(), count);
        for (std::int32_t position = 0; position < count; ++position) {
            const TokenTrace& left = a.token(position).trace;
            const TokenTrace& right = b.token(position).trace;
            EXPECT_EQ(left.id, right.id) << position;
            EXPECT_EQ(left.flags, right.flags) << position;
            EXPECT_TRUE(left.logprob == right.logprob || std::isnan(left.logprob)) << position;
        }
    }
    bool continued() const {
        return !latest()->recorded && latest()->state == WorkbenchState::kReady && turnsShown() > 0 &&
               turn().stop_reason != StopReason::kNone;
    }
};

TEST_F(ContinueWindow, FromAScrubbedStepNewTokensAppearInANewSession) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    EXPECT_FALSE(find<QAction>(u"action_continue_recording"_s).isEnabled());
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 47 + 85? /think"_s));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /no_think"_s));
    const QString file = recorded();
    const std::string before = bytesOf(file);
    const auto whole = snapshotOfSession(file.toStdString());
    // What is set in the window is not what was recorded.
    LaneSettings other = workbench->settings();
    other.budget = 3;
    other.sampling.seed = 99;
    workbench->setSettings(other);

    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    ASSERT_NO_FATAL_FAILURE(scrubTo(9));
    const std::int32_t there = history().tokenCount();
    ASSERT_EQ(latest()->lanes.front().state, LaneState::kThinking);
    ASSERT_TRUE(button().isEnabled()) << button().toolTip().toStdString();
    EXPECT_TRUE(button().toolTip().contains(u"Ctrl+G"_s));
    EXPECT_FALSE(button().accessibleDescription().isEmpty());
    keepPicture(u"continue-recording"_s);
    workbench->setDecodePace(20);
    QTest::mouseClick(&button(), Qt::LeftButton);
    // In mid-turn: the recorded tokens are there at once, further ones come.
    ASSERT_TRUE(
        test::waitFor([&] { return !latest()->recorded && turnsShown() == 1 && history().tokenCount() > there; }));
    EXPECT_EQ(latest()->state, WorkbenchState::kGenerating);
    EXPECT_EQ(find<BudgetField>(u"budget_field"_s).budget(), kUnlimitedBudget) << "the recording's settings";
    EXPECT_TRUE(find<Composer>(u"composer"_s).isVisible());
    workbench->setDecodePace(0);
    ASSERT_TRUE(test::waitFor([this] { return continued(); }));
    keepPicture(u"continue-recording-live"_s);
    const LaneSnapshot& recorded_lane = whole->lanes.front();
    EXPECT_EQ(history().tokenCount(), recorded_lane.historyOfTurn(0).tokenCount());
    expectSameTokens(history(), recorded_lane.historyOfTurn(0), history().tokenCount());
    EXPECT_EQ(find<ChatView>(u"chat_view"_s).turn(0).userText(), u"What is 47 + 85? /think"_s);

    // The conversation goes on, in a file of its own.
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /no_think"_s));
    expectSameTokens(history(), recorded_lane.historyOfTurn(1), history().tokenCount());
    ASSERT_TRUE(workbench->flush());
    const auto kept = snapshotOfSession(latest()->recorder.file);
    EXPECT_NE(latest()->recorder.file.string(), file.toStdString());
    ASSERT_EQ(kept->lanes.front().turns.size(), 2U);
    expectSameTokens(kept->lanes.front().historyOfTurn(0), recorded_lane.historyOfTurn(0),
                     recorded_lane.historyOfTurn(0).tokenCount());
    EXPECT_EQ(bytesOf(file), before) << "the recording has changed";
}

TEST_F(ContinueWindow, AnotherModelOnDiskIsAskedAboutAndAMissingOneSaid) {
    const std::filesystem::path model = directory.path() / "model";
    std::filesystem::create_directory(model);
    test::writeTinyModel(model);
    ASSERT_NO_FATAL_FAILURE(open(model.string()));
    LaneSettings settings = workbench->settings();
    settings.max_tokens = 12;
    settings.ignore_eos = true;
    workbench->setSettings(settings);
    ASSERT_NO_FATAL_FAILURE(ask(u"abc"_s));
    const QString file = recorded();
    TearDown();
    test::writeTinyModel(model, {.seed = 9});
    ASSERT_NO_FATAL_FAILURE(open(""));
    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    ASSERT_NO_FATAL_FAILURE(scrubTo(4));
    const auto message = [&](const QString& name) {
        EXPECT_TRUE(test::waitFor([&] {
            auto* box = window->findChild<QMessageBox*>(name);
            return box != nullptr && box->isVisible();
        }));
        return window->findChild<QMessageBox*>(name);
    };
    QTest::keyClick(window.get(), Qt::Key_G, Qt::ControlModifier);
    QMessageBox* box = message(u"continue_other_model"_s);
    ASSERT_NE(box, nullptr);
    EXPECT_TRUE(box->text().contains(u"not the one recorded"_s));
    EXPECT_TRUE(box->informativeText().contains(u"model.safetensors"_s)) << box->informativeText().toStdString();
    box->grab().save(qEnvironmentVariable("MIXO_ARTEFACTS", u"view_artefacts"_s) + u"/continue-other-model.png"_s);
    QTest::keyClick(box, Qt::Key_Escape);
    ASSERT_TRUE(test::waitFor([this] { return button().isEnabled(); }));
    EXPECT_TRUE(latest()->recorded) << "the recording is still there";
    EXPECT_EQ(latest()->playback->step, 4);
    EXPECT_TRUE(workbench->snapshot()->lanes.empty());

    QTest::mouseClick(&button(), Qt::LeftButton);
    box = message(u"continue_other_model"_s);
    ASSERT_NE(box, nullptr);
    QTest::mouseClick(box->findChild<QPushButton*>(u"continue_anyway"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] { return continued(); }));
    EXPECT_EQ(history().tokenCount() - turn().prompt_tokens, 12);

    // Gone on the way, after the recording was opened; and gone from the start.
    TearDown();
    ASSERT_NO_FATAL_FAILURE(open(""));
    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    std::filesystem::rename(model, directory.path() / "elsewhere");
    QTest::mouseClick(&button(), Qt::LeftButton);
    box = message(u"continue_refused"_s);
    ASSERT_NE(box, nullptr);
    EXPECT_TRUE(box->text().contains(u"not there any more"_s)) << box->text().toStdString();
    EXPECT_TRUE(box->informativeText().contains(QString::fromStdString(model.string())));
    QTest::keyClick(box, Qt::Key_Escape);
    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    ASSERT_TRUE(test::waitFor([this] { return !button().isEnabled(); }));
    EXPECT_TRUE(button().toolTip().contains(u"not at hand"_s)) << button().toolTip().toStdString();
}

TEST_F(ContinueWindow, ATokenOfARecordingIsForked) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    LaneSettings settings = workbench->settings();
    settings.sampling.greedy = true;
    workbench->setSettings(settings);
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 47 + 85? /think"_s));
    const QString file = recorded();
    const auto whole = snapshotOfSession(file.toStdString());
    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    ASSERT_NO_FATAL_FAILURE(scrubTo(12));
    const std::int32_t there = history().tokenCount();
    auto& action = find<QAction>(u"action_what_if"_s);
    EXPECT_FALSE(action.isEnabled());
    auto& view = find<ChatView>(u"chat_view"_s);
    const std::int32_t at = turn().first_generated_position + 4;
    QTest::mouseClick(view.viewport(), Qt::LeftButton, {}, view.tokenRect(at).center());
    ASSERT_EQ(window->selection().token(), at);
    ASSERT_TRUE(action.isEnabled()) << action.toolTip().toStdString();
    EXPECT_FALSE(find<QAction>(u"action_measure_experts"_s).isEnabled());
    QTest::keyClick(window.get(), Qt::Key_K, Qt::ControlModifier);
    ASSERT_TRUE(test::waitFor([this] {
        const auto* dialog = window->findChild<WhatIfDialog*>(u"what_if"_s);
        return dialog != nullptr && dialog->isVisible();
    }));
    auto& dialog = find<WhatIfDialog>(u"what_if"_s);
    EXPECT_FALSE(latest()->recorded);
    EXPECT_EQ(dialog.point().position, at);
    EXPECT_EQ(history().tokenCount(), there) << "the conversation has ended where the recording was shown";
    EXPECT_EQ(turn().stop_reason, StopReason::kStopped);
    ASSERT_EQ(dialog.changes().edits.size(), 1U);
    QTest::mouseClick(dialog.findChild<QPushButton*>(u"what_if_fork"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] {
        return latest()->state == WorkbenchState::kReady && !latest()->forks.empty() &&
               !latest()->forks.back().lanes->lanes.back().free.turns.empty() &&
               latest()->forks.back().lanes->lanes.back().free.turns.back().stop_reason != StopReason::kNone;
    }));
    const ComparedLane& fork = latest()->forks.back().lanes->lanes.back();
    EXPECT_EQ(fork.origin.position, at + 1);
    EXPECT_TRUE(fork.origin.change.find("ban:experts=") != std::string::npos) << fork.origin.change;
    expectSameTokens(fork.free.history, whole->lanes.front().history, at + 1);
    EXPECT_EQ(window->workspace(), Workspace::kCompare);
}

}  // namespace
}  // namespace mixoscope
