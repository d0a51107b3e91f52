// A session recorded by the window is opened again in it: every view says at each place what it said live, the
// transport obeys keys and pointer, the chat behind it goes on, and what is wrong with a file is said on one page.
#include <SQLiteCpp/Database.h>

#include <QApplication>
#include <QComboBox>
#include <QDockWidget>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMimeData>
#include <QPushButton>
#include <QSpinBox>
#include <QTest>
#include <QTimer>
#include <QToolBar>
#include <QToolButton>
#include <fstream>
#include <map>

#include "sessions/playback.h"
#include "sessions/session_file.h"
#include "support/tiny_model.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/exportable_view.h"
#include "views/format.h"
#include "views/heatmap_view.h"
#include "views/lanes_view.h"
#include "views/mode_switch.h"
#include "views/seek_bar.h"
#include "views/status_line.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

using Tables = std::map<QString, QString>;

class RecordingWindow : public test::WindowTest {
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
    const Playback& playback() const { return *latest()->playback; }
    bool isRead() const {
        return latest()->playback != nullptr && latest()->playback->state != PlaybackState::kReading;
    }
    /// The session of the live chat, complete on disk.
    QString recorded() {
        EXPECT_TRUE(workbench->flush());
        return QString::fromStdString(latest()->recorder.file.string());
    }
    void openRecording(const QString& file) {
        window->openSession(file);
        ASSERT_TRUE(test::waitFor([this] { return isRead(); }));
        ASSERT_FALSE(latest()->load_error.has_value()) << Error(*latest()->load_error).what();
    }
    void waitForStep(std::int64_t step) {
        ASSERT_TRUE(test::waitFor([&] { return playback().step == step; })) << step << " is not " << playback().step;
    }
    /// What every view says, in all its projections.
    Tables tables() {
        Tables found;
        for (ExportableView* view : window->exportableViews()) {
            if (view->viewName() == u"log"_s) continue;  // of opening the model
            view->renderToImage(1.0);                    // charts catch up at once
            found[view->viewName()] = view->csv();
        }
        auto& heatmap = find<HeatmapView>(u"heatmapView"_s);
        for (const Projection projection :
             {Projection::kExpertToken, Projection::kLayerExpert, Projection::kLayerToken}) {
            heatmap.setProjection(projection);
            found[u"heatmap %1"_s.arg(static_cast<int>(projection))] = window->findView(u"heatmap"_s)->csv();
        }
        heatmap.setProjection(Projection::kExpertToken);
        // How full the ring was is not in a recording.
        QString& checks = found[u"self-checks"_s];
        checks = checks.left(checks.indexOf(u"Trace ring"_s));
        return found;
    }
    static void expectSame(const Tables& shown, const Tables& live) {
        ASSERT_EQ(shown.size(), live.size());
        for (const auto& [name, table] : live) {
            EXPECT_EQ(shown.at(name).toStdString(), table.toStdString()) << name.toStdString();
        }
    }
    /// By its number, as a person who types it.
    void goTo(std::int64_t step) {
        auto& token = find<QSpinBox>(u"transport_token"_s);
        token.setFocus();
        token.selectAll();
        QTest::keyClicks(&token, QString::number(playback().index->rowsAt(step)));
        QTest::keyClick(&token, Qt::Key_Return);
        waitForStep(step);
    }
    SeekBar& seekBar() { return find<SeekBar>(u"seek_bar"_s); }
    void key(Qt::Key code) { QTest::keyClick(QApplication::focusWidget(), code); }
};

TEST_F(RecordingWindow, EveryViewSaysWhatItSaidLiveAtThatToken) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    // A token pointed at, so that the panels about one token have one, then two turns with a drag between them.
    std::map<std::int32_t, Tables> live;  // by tokens in the sequence, of the first turn
    QObject::connect(&window->bridge(), &WorkbenchBridge::snapshotChanged, window.get(), [&] {
        if (turnsShown() != 1 || turn().first_generated_position < 0 || turn().thinking_tokens < 2) return;
        if (latest()->lanes.front().state != LaneState::kThinking || live.size() == 4) return;
        live[latest()->lanes.front().history.tokenCount()] = tables();
    });
    workbench->setDecodePace(20);
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 47 + 85? /think"_s));
    workbench->setDecodePace(0);
    ASSERT_EQ(live.size(), 4U);
    const Tables first_turn = tables();
    auto& slider = find<BudgetSlider>(u"budget_slider"_s);
    QTest::mousePress(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(kUnlimitedBudget));
    QTest::mouseMove(&slider, slider.handleCentre(4));
    QTest::mouseRelease(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(4));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /think"_s));
    EXPECT_TRUE(turn().closed_by_budget);
    const Tables end = tables();
    keepPicture(u"recording-live"_s);

    ASSERT_NO_FATAL_FAILURE(openRecording(recorded()));
    EXPECT_TRUE(latest()->recorded);
    const PlaybackIndex& index = *playback().index;
    EXPECT_EQ(playback().step, index.count());
    expectSame(tables(), end);
    EXPECT_EQ(find<BudgetField>(u"budget_field"_s).budget(), 4);
    keepPicture(u"recording-end"_s);

    for (const auto& [tokens, shown] : live) {
        SCOPED_TRACE(tokens);
        ASSERT_NO_FATAL_FAILURE(goTo(index.stepOfRow(tokens - 1)));
        ASSERT_EQ(latest()->lanes.front().history.tokenCount(), tokens);
        expectSame(tables(), shown);
        EXPECT_EQ(find<BudgetField>(u"budget_field"_s).budget(), kUnlimitedBudget) << "the settings at the cursor";
    }
    keepPicture(u"recording-thinking"_s);
    // Up to where the second turn began.
    const std::int64_t second = index.nextTurn(1);
    ASSERT_NO_FATAL_FAILURE(goTo(second - 1));
    expectSame(tables(), first_turn);
    ASSERT_NO_FATAL_FAILURE(goTo(index.count()));
    expectSame(tables(), end);
}

TEST_F(RecordingWindow, TheTransportObeysKeysAndPointer) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /think"_s));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 7 + 8? /no_think"_s));
    const QString file = recorded();
    EXPECT_FALSE(find<QToolBar>(u"transport_bar"_s).isVisible());
    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    const std::int64_t count = playback().index->count();
    const std::int64_t second = playback().index->nextTurn(1);
    EXPECT_TRUE(find<QToolBar>(u"transport_bar"_s).isVisible());
    EXPECT_FALSE(find<Composer>(u"composer"_s).isVisible());
    EXPECT_TRUE(find<QWidget>(u"recording_notice"_s).isVisible());
    EXPECT_TRUE(find<QLabel>(u"recording_model"_s).text().contains(u"at hand"_s));
    EXPECT_FALSE(find<ModeSwitch>(u"mode_switch"_s).button(ThinkingMode::kThink).isEnabled());
    EXPECT_TRUE(window->windowTitle().contains(QFileInfo(file).fileName()));
    EXPECT_EQ(QApplication::focusWidget(), &seekBar()) << "keys act at once";

    const auto press = [&](Qt::Key code, std::int64_t step) {
        key(code);
        waitForStep(step);
    };
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_Home, 1));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_Left, 1));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_Right, 2));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_Right, 3));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_Left, 2));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_PageDown, second));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_PageUp, 1));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_End, count));
    auto& token = find<QSpinBox>(u"transport_token"_s);
    EXPECT_EQ(token.value(), playback().index->rows());

    // By number, by pointer.
    token.setFocus();
    token.selectAll();
    QTest::keyClicks(&token, QString::number(playback().index->rowsAt(3)));
    QTest::keyClick(&token, Qt::Key_Return);
    ASSERT_NO_FATAL_FAILURE(waitForStep(3));
    QTest::mouseClick(&seekBar(), Qt::LeftButton, Qt::NoModifier, seekBar().pointOf(second + 2));
    ASSERT_NO_FATAL_FAILURE(waitForStep(second + 2));
    QTest::mousePress(&seekBar(), Qt::LeftButton, Qt::NoModifier, seekBar().pointOf(second + 2));
    QTest::mouseMove(&seekBar(), seekBar().pointOf(5));
    ASSERT_NO_FATAL_FAILURE(waitForStep(5));
    QTest::mouseRelease(&seekBar(), Qt::LeftButton, Qt::NoModifier, seekBar().pointOf(5));

    // Space plays to the end and stops there; the chat's own view passes the key on.
    auto& play = find<QPushButton>(u"transport_play"_s);
    auto& speed = find<QComboBox>(u"transport_speed"_s);
    speed.setFocus();
    QTest::keyClick(&speed, Qt::Key_Home);
    EXPECT_EQ(speed.currentText(), u"¼×"_s);
    seekBar().setFocus();
    key(Qt::Key_Space);
    ASSERT_TRUE(test::waitFor([&] { return playback().state == PlaybackState::kPlaying; }));
    EXPECT_EQ(play.text(), u"Pause"_s);
    EXPECT_EQ(playback().speed, 0.25);
    find<ChatView>(u"chat_view"_s).setFocus();
    key(Qt::Key_Space);
    ASSERT_TRUE(test::waitFor([&] { return playback().state == PlaybackState::kPaused; }));
    EXPECT_LT(playback().step, count);
    speed.setFocus();
    QTest::keyClick(&speed, Qt::Key_End);
    QTest::mouseClick(&play, Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([&] { return playback().step == count && playback().state == PlaybackState::kPaused; }));
    EXPECT_EQ(play.text(), u"Play"_s);
}

TEST_F(RecordingWindow, TheLiveChatGoesOnBehindIt) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /think"_s));
    const QString old = recorded();
    trigger(u"new_conversation"_s);
    ASSERT_TRUE(test::waitFor([this] { return turnsShown() == 0; }));
    workbench->setDecodePace(0.001);
    find<Composer>(u"composer"_s).setFocus();
    type(u"What is 7 + 8? /think"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([this] { return turnsShown() == 1 && turn().block_opened; }));
    find<Composer>(u"composer"_s).setText(u"half a thought"_s);

    ASSERT_NO_FATAL_FAILURE(openRecording(old));
    EXPECT_EQ(find<ChatView>(u"chat_view"_s).turn(0).userText(), u"What is 2 + 3? /think"_s);
    EXPECT_EQ(workbench->snapshot()->state, WorkbenchState::kGenerating);
    QTest::keyClick(window.get(), Qt::Key_Escape);
    EXPECT_EQ(workbench->snapshot()->state, WorkbenchState::kGenerating) << "Esc is not for what is not shown";
    workbench->setDecodePace(0);
    ASSERT_TRUE(test::waitFor([this] { return workbench->snapshot()->state == WorkbenchState::kReady; }));

    QTest::mouseClick(&find<QPushButton>(u"recording_leave"_s), Qt::LeftButton);
    ASSERT_FALSE(latest()->recorded);
    EXPECT_EQ(find<ChatView>(u"chat_view"_s).turn(0).userText(), u"What is 7 + 8? /think"_s);
    EXPECT_NE(turn().stop_reason, StopReason::kNone) << "it answered meanwhile";
    EXPECT_EQ(find<Composer>(u"composer"_s).text(), u"half a thought"_s);
    EXPECT_TRUE(find<Composer>(u"composer"_s).isVisible());
    EXPECT_FALSE(find<QToolBar>(u"transport_bar"_s).isVisible());
    EXPECT_TRUE(find<ModeSwitch>(u"mode_switch"_s).button(ThinkingMode::kThink).isEnabled());
    EXPECT_EQ(window->windowTitle(), u"Mixoscope"_s);
    ASSERT_NO_FATAL_FAILURE(ask(u" What is 1 + 1? /no_think"_s));
    EXPECT_EQ(turnsShown(), 2U) << "and it goes on";
}

TEST_F(RecordingWindow, OpensFromListDialogAndDrop) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /no_think"_s));
    const QString file = recorded();
    window->showPanel(u"sessions"_s);
    auto* list = find<QDockWidget>(u"dock_sessions"_s).findChild<QListView*>(u"session_files"_s);
    ASSERT_TRUE(test::waitFor([&] { return list->model()->rowCount() == 1; }));
    const QPoint first = list->visualRect(list->model()->index(0, 0)).center();
    QTest::mouseClick(list->viewport(), Qt::LeftButton, Qt::NoModifier, first);
    QTest::mouseDClick(list->viewport(), Qt::LeftButton, Qt::NoModifier, first);
    ASSERT_TRUE(test::waitFor([this] { return isRead(); }));
    QTest::keyClick(window.get(), Qt::Key_W, Qt::ControlModifier);
    ASSERT_FALSE(latest()->recorded);

    QTimer answer;
    QObject::connect(&answer, &QTimer::timeout, [&] {
        auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
        if (dialog == nullptr) return;
        answer.stop();
        dialog->findChild<QLineEdit*>(u"fileNameEdit"_s)->setText(file);
        static_cast<QDialog*>(dialog)->accept();
    });
    answer.start(10);
    QTest::keyClick(window.get(), Qt::Key_O, Qt::ControlModifier | Qt::ShiftModifier);
    ASSERT_TRUE(test::waitFor([this] { return isRead(); }));
    QTest::mouseClick(&find<QPushButton>(u"transport_leave"_s), Qt::LeftButton);
    ASSERT_FALSE(latest()->recorded);

    QMimeData dropped;
    dropped.setUrls({QUrl::fromLocalFile(file)});
    QDragEnterEvent enter({40, 40}, Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(window.get(), &enter);
    ASSERT_TRUE(enter.isAccepted());
    QDropEvent drop({40, 40}, Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(window.get(), &drop);
    ASSERT_TRUE(test::waitFor([this] { return isRead(); }));
    // A model opened from here ends the recording.
    window->activateWindow();
    ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    QTest::keyClick(window.get(), Qt::Key_D, Qt::ControlModifier);
    EXPECT_TRUE(test::waitFor([this] { return !latest()->recorded && latest()->state == WorkbenchState::kReady; }));
}

TEST_F(RecordingWindow, WithoutItsModelItIsShownAllTheSame) {
    const std::filesystem::path model = directory.path() / "model";
    std::filesystem::create_directory(model);
    test::writeTinyModel(model);
    ASSERT_NO_FATAL_FAILURE(open(model.string()));
    workbench->send("abc");
    ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kReady && turnsShown() == 1; }));
    const QString file = recorded();
    TearDown();
    std::filesystem::remove_all(model);
    ASSERT_NO_FATAL_FAILURE(open(""));
    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    EXPECT_TRUE(find<QLabel>(u"recording_model"_s).text().contains(u"not at hand"_s))
        << find<QLabel>(u"recording_model"_s).text().toStdString();
    EXPECT_EQ(find<ChatView>(u"chat_view"_s).turn(0).userText(), u"abc"_s);
    EXPECT_GT(parseCsv(window->findView(u"heatmap"_s)->csv()).size(), 1);
    QTest::mouseClick(&find<QPushButton>(u"recording_leave"_s), Qt::LeftButton);
    EXPECT_TRUE(find<QWidget>(u"start_page"_s).isVisible()) << "no model is open behind it";
}

TEST_F(RecordingWindow, WhatIsWrongWithAFileIsOnOnePage) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 2 + 3? /no_think"_s));
    const QString good = recorded();
    const auto copyOf = [&](const char* name, const char* sql) {
        const std::filesystem::path copy = directory.path() / name;
        workbench->newConversation();
        EXPECT_TRUE(workbench->waitIdle(60'000));
        // The list may have been reading it when its recorder closed it: its log is then still beside it.
        SQLite::Database(good.toStdString(), SQLite::OPEN_READWRITE, 10'000).exec("PRAGMA wal_checkpoint(TRUNCATE)");
        std::filesystem::copy_file(good.toStdString(), copy, std::filesystem::copy_options::overwrite_existing);
        SQLite::Database(copy.string(), SQLite::OPEN_READWRITE).exec(sql);
        return QString::fromStdString(copy.string());
    };
    std::ofstream(directory.path() / "text.mixo") << "this is no database";
    const QString text = QString::fromStdString((directory.path() / "text.mixo").string());
    const std::pair<QString, QString> broken[] = {
        {text, u"not a session"_s},
        {copyOf("newer.mixo", "PRAGMA user_version = 99"), u"newer version"_s},
        {copyOf("damaged.mixo", "UPDATE rows SET routing = x'0102' WHERE serial > 20"), u"routing record"_s},
        {QString::fromStdString((directory.path() / "absent.mixo").string()), u"cannot be opened"_s}};
    for (const auto& [file, what] : broken) {
        SCOPED_TRACE(file.toStdString());
        window->openSession(file);
        const auto refused = [&, opened = file.toStdString()] {
            return latest()->load_error.has_value() && latest()->recorder.file == opened;
        };
        ASSERT_TRUE(test::waitFor(refused));
        EXPECT_TRUE(find<QWidget>(u"error_page"_s).isVisible());
        EXPECT_EQ(find<QLabel>(u"error_title"_s).text(), u"This session cannot be opened"_s);
        EXPECT_TRUE(find<QLabel>(u"error_what"_s).text().contains(what))
            << find<QLabel>(u"error_what"_s).text().toStdString();
        EXPECT_FALSE(find<QToolBar>(u"transport_bar"_s).isVisible());
    }
    keepPicture(u"recording-error"_s);
    QTest::mouseClick(&find<QPushButton>(u"error_back"_s), Qt::LeftButton);
    EXPECT_FALSE(find<QWidget>(u"error_page"_s).isVisible());
    ASSERT_NO_FATAL_FAILURE(ask(u"What is 4 + 4? /no_think"_s));
    EXPECT_FALSE(latest()->recorded);
}

TEST_F(RecordingWindow, AComparisonOpensInTheCompareWorkspace) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    window->setWorkspace(Workspace::kCompare);
    auto& lanes = find<LanesView>(u"lanes_view"_s);
    ASSERT_TRUE(
        test::waitFor([&] { return latest()->comparison != nullptr && latest()->comparison->lanes.size() == 2; }));
    lanes.promptEdit().setFocus();
    type(u"What is 2 + 3? /think"_s);
    QTest::keyClick(window.get(), Qt::Key_R, Qt::ControlModifier);
    ASSERT_TRUE(test::waitFor(
        [&] { return latest()->state == WorkbenchState::kReady && latest()->comparison->forced_complete; }));
    ASSERT_TRUE(workbench->flush());
    const auto compared = [&] {
        return Tables{{u"lanes"_s, window->findView(u"lanes"_s)->csv()},
                      {u"metrics"_s, window->findView(u"metrics"_s)->csv()}};
    };
    const Tables live = compared();
    const QString file = QString::fromStdString(latest()->comparison_recorder.file.string());
    window->setWorkspace(Workspace::kChat);

    ASSERT_NO_FATAL_FAILURE(openRecording(file));
    EXPECT_EQ(window->workspace(), Workspace::kCompare);
    EXPECT_TRUE(find<QToolBar>(u"transport_bar"_s).isVisible());
    expectSame(compared(), live);
    EXPECT_FALSE(find<QPushButton>(u"run_all"_s).isEnabled());
    keepPicture(u"recording-compare"_s);
    // In the middle of the free run nothing of the judged pass is there.
    const std::int64_t free = playback().index->stepOfRow(latest()->comparison->prompt_tokens + 8);
    ASSERT_NO_FATAL_FAILURE(goTo(free));
    EXPECT_EQ(latest()->comparison->lanes[1].quality.tokens, 0);
    EXPECT_FALSE(latest()->comparison->forced_complete);
    ASSERT_NO_FATAL_FAILURE(goTo(playback().index->count()));
    expectSame(compared(), live);
    QTest::keyClick(window.get(), Qt::Key_A, Qt::ControlModifier | Qt::ShiftModifier);
    QTest::mouseClick(&find<QPushButton>(u"transport_leave"_s), Qt::LeftButton);
    EXPECT_EQ(latest()->comparison->lanes.size(), 2U) << "keys for lanes did nothing";
}

}  // namespace
}  // namespace mixoscope
