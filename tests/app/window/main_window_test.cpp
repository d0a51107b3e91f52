// The window around the conversation: pages, keys, themes, layouts, pictures.
#include <QAction>
#include <QApplication>
#include <QDoubleSpinBox>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMenu>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStatusBar>
#include <QTabBar>
#include <QTest>
#include <QTimer>
#include <QToolButton>
#include <algorithm>
#include <fstream>

#include "app/window/experiment_workspace.h"
#include "app/window/panel_dock.h"
#include "support/tiny_model.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/exportable_view.h"
#include "views/heatmap_view.h"
#include "views/mode_switch.h"
#include "views/model_picker.h"
#include "views/settings_dialog.h"
#include "views/status_line.h"
#include "views/theme.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class MainWindowTest : public test::WindowTest {
protected:
    QString page() const {
        for (const QString& name : {u"start_page"_s, u"error_page"_s, u"chat_page"_s}) {
            if (find<QWidget>(name).isVisible()) return name;
        }
        return {};
    }
    /// One turn, to its end.
    void ask(const QString& text) {
        const ChatView& chat = find<ChatView>(u"chat_view"_s);
        const int asked = chat.turnCount() + 1;
        type(text);
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        ASSERT_TRUE(test::waitFor([&] {
            return chat.turnCount() == asked && latest()->state == WorkbenchState::kReady &&
                   static_cast<int>(latest()->lanes.front().turns.size()) == asked &&
                   turn().stop_reason != StopReason::kNone;
        }));
    }
    void beginAnew() {
        trigger(u"new_conversation"_s);
        ASSERT_TRUE(test::waitFor([this] { return find<ChatView>(u"chat_view"_s).turnCount() == 0; }));
    }
};

TEST_F(MainWindowTest, BeginsWithTheStartPageAndEnterOpensTheDemo) {
    ASSERT_NO_FATAL_FAILURE(open({}));
    EXPECT_EQ(page(), u"start_page"_s);
    EXPECT_FALSE(find<BudgetSlider>(u"budget_slider"_s).isEnabled());
    EXPECT_EQ(find<BudgetSlider>(u"budget_slider"_s).toolTip(), u"Open a model first"_s);
    keepPicture(u"window-start-light"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([this] { return latest()->model != nullptr; }));
    EXPECT_EQ(page(), u"chat_page"_s);
    EXPECT_TRUE(find<BudgetSlider>(u"budget_slider"_s).isEnabled());
    keepPicture(u"window-empty-light"_s);
}

TEST_F(MainWindowTest, AFolderThatIsNoModelGetsAPageThatSaysWhy) {
    std::filesystem::create_directories(directory.path() / "no-model");
    std::ofstream(directory.path() / "no-model" / "config.json") << "{";
    ASSERT_NO_FATAL_FAILURE(open((directory.path() / "no-model").string()));
    EXPECT_EQ(page(), u"error_page"_s);
    ASSERT_TRUE(latest()->load_error.has_value());
    QStringList shown;
    for (const QLabel* label : find<QWidget>(u"error_page"_s).findChildren<QLabel*>()) shown << label->text();
    EXPECT_TRUE(shown.contains(QString::fromStdString(latest()->load_error->what)));
    EXPECT_TRUE(shown.join(u'|').contains(u"config.json"_s));
    EXPECT_TRUE(QApplication::activeModalWidget() == nullptr);
    keepPicture(u"window-error-light"_s);
    // The way on is there too.
    QTest::mouseClick(&find<QPushButton>(u"error_demo"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] { return latest()->model != nullptr; }));
    EXPECT_EQ(page(), u"chat_page"_s);
    // And with a model open, a failure leaves it open.
    window->openModel(QString::fromStdString((directory.path() / "no-model").string()));
    ASSERT_TRUE(test::waitFor([this] { return page() == u"error_page"_s; }));
    EXPECT_NE(latest()->model, nullptr);
    QTest::mouseClick(&find<QPushButton>(u"error_back"_s), Qt::LeftButton);
    EXPECT_EQ(page(), u"chat_page"_s);
}

TEST_F(MainWindowTest, EverythingCanBeDoneFromTheKeyboard) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    QTest::keyClick(window.get(), Qt::Key_M, Qt::ControlModifier);
    EXPECT_EQ(workbench->settings().mode, ThinkingMode::kNoThink);
    QTest::keyClick(window.get(), Qt::Key_M, Qt::ControlModifier);
    QTest::keyClick(window.get(), Qt::Key_M, Qt::ControlModifier);
    EXPECT_EQ(workbench->settings().mode, ThinkingMode::kThink);
    QTest::keyClick(window.get(), Qt::Key_B, Qt::ControlModifier);
    ASSERT_EQ(QApplication::focusWidget()->objectName(), u"budget_slider"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Home);
    for (int i = 0; i < 6; ++i) QTest::keyClick(QApplication::focusWidget(), Qt::Key_Right);
    EXPECT_EQ(workbench->settings().budget, 6);
    QTest::keyClick(window.get(), Qt::Key_L, Qt::ControlModifier);
    ASSERT_EQ(QApplication::focusWidget()->objectName(), u"message_edit"_s);
    ask(u"What is 2 + 3? /think"_s);
    auto& chat = find<ChatView>(u"chat_view"_s);
    ASSERT_TRUE(chat.turn(0).hasThinkBlock());
    EXPECT_FALSE(chat.turn(0).isCollapsed());
    QTest::keyClick(window.get(), Qt::Key_T, Qt::ControlModifier);
    EXPECT_TRUE(chat.turn(0).isCollapsed());
    QTest::keyClick(window.get(), Qt::Key_T, Qt::ControlModifier);
    chat.setFocus();
    QTest::keyClick(&chat, Qt::Key_Left);
    EXPECT_EQ(window->selection().token(), latest()->lanes.front().history.tokenCount() - 1);
    QTest::keyClick(&chat, Qt::Key_Left);
    EXPECT_EQ(window->selection().token(), latest()->lanes.front().history.tokenCount() - 2);
    QTest::keyClick(&chat, Qt::Key_J);
    EXPECT_EQ(window->selection().token(), latest()->lanes.front().history.tokenCount() - 3);
    QTest::keyClick(window.get(), Qt::Key_Escape);
    EXPECT_EQ(window->selection().token(), -1);
    QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
    EXPECT_EQ(workbench->settings().budget, 5);
}

TEST_F(MainWindowTest, EveryActionHasATipAndEveryControlAName) {
    ASSERT_NO_FATAL_FAILURE(open({}));
    for (const QAction* action : window->findChildren<QAction*>()) {
        if (!action->objectName().startsWith(u"action_"_s)) continue;
        EXPECT_FALSE(action->toolTip().isEmpty()) << action->text().toStdString();
        if (!action->shortcut().isEmpty() && action->objectName() != u"action_undo"_s) {
            EXPECT_TRUE(action->toolTip().contains(action->shortcut().toString(QKeySequence::NativeText)))
                << action->text().toStdString();
        }
    }
    for (const QWidget* widget : window->findChildren<QWidget*>()) {
        if ((widget->focusPolicy() & Qt::TabFocus) == 0 || !widget->isVisible()) continue;
        if (widget->objectName() == u"qt_spinbox_lineedit"_s) continue;  // part of a field that has a name
        const auto* button = qobject_cast<const QAbstractButton*>(widget);
        const bool named = !widget->accessibleName().isEmpty() || (button != nullptr && !button->text().isEmpty());
        EXPECT_TRUE(named) << widget->metaObject()->className() << " " << widget->objectName().toStdString();
    }
}

TEST_F(MainWindowTest, TheLayoutIsKeptFromOneStartToTheNext) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    window->showPanel(u"log"_s);
    ASSERT_TRUE(find<QDockWidget>(u"dock_log"_s).isVisible());
    window->close();
    TearDown();
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    EXPECT_TRUE(find<QDockWidget>(u"dock_log"_s).isVisible());
    window->resetLayout();
    EXPECT_FALSE(find<QDockWidget>(u"dock_log"_s).isVisible());
}

TEST_F(MainWindowTest, ColoursAreChosenInTheMenuAndKept) {
    ASSERT_NO_FATAL_FAILURE(open({}));
    trigger(u"theme_2"_s);
    EXPECT_TRUE(colours().dark);
    EXPECT_EQ(renderWidget(*window, 1.0).pixelColor(500, 8), darkColours().window);
    auto& canvas = find<HeatmapView>(u"heatmapView"_s).canvas();
    EXPECT_EQ(canvas.denseMap(), ColourMapName::kViridis);
    trigger(u"colours_cividis"_s);
    EXPECT_EQ(canvas.denseMap(), ColourMapName::kCividis);
    TearDown();
    ASSERT_NO_FATAL_FAILURE(open({}));
    EXPECT_EQ(find<HeatmapView>(u"heatmapView"_s).canvas().denseMap(), ColourMapName::kCividis);
    EXPECT_TRUE(window->findChild<QAction*>(u"action_colours_cividis"_s)->isChecked());
    EXPECT_EQ(WindowSettings(settingsFile()).theme(), ThemeChoice::kDark);
    trigger(u"theme_1"_s);
    EXPECT_FALSE(colours().dark);
}

TEST_F(MainWindowTest, SettingsActOnTheEngine) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    QTest::keyClick(window.get(), Qt::Key_Comma, Qt::ControlModifier);
    auto& dialog = find<SettingsDialog>(u"settings_dialog"_s);
    ASSERT_TRUE(dialog.isVisible());
    auto* temperature = dialog.findChild<QDoubleSpinBox*>(u"settings_temperature"_s);
    EXPECT_NEAR(temperature->value(), static_cast<double>(workbench->settings().sampling.temperature), 1e-6);
    temperature->setValue(1.3);
    EXPECT_FLOAT_EQ(workbench->settings().sampling.temperature, 1.3F);
    dialog.findChild<QDoubleSpinBox*>(u"settings_pace"_s)->setValue(20.0);
    EXPECT_DOUBLE_EQ(workbench->decodePace(), 20.0);
    dialog.findChild<QPlainTextEdit*>(u"settings_system"_s)->setPlainText(u"Be brief."_s);
    EXPECT_EQ(WindowSettings(settingsFile()).systemPrompt(), u"Be brief."_s);
}

TEST_F(MainWindowTest, TheSystemPromptReachesTheModel) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"What is 2 + 3? /no_think"_s);
    const std::int32_t plain = turn().prompt_tokens;
    ASSERT_NO_FATAL_FAILURE(beginAnew());
    trigger(u"settings"_s);
    auto& dialog = find<SettingsDialog>(u"settings_dialog"_s);
    dialog.findChild<QPlainTextEdit*>(u"settings_system"_s)->setPlainText(u"Be brief."_s);
    dialog.close();
    find<QWidget>(u"composer"_s).setFocus();
    ask(u"What is 2 + 3? /no_think"_s);
    EXPECT_GT(turn().prompt_tokens, plain);
}

TEST_F(MainWindowTest, ANewConversationIsEmptyAndHasAFileOfItsOwn) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"What is 2 + 3? /no_think"_s);
    const auto first = latest()->recorder.file;
    EXPECT_EQ(find<ChatView>(u"chat_view"_s).turnCount(), 1);
    ASSERT_NO_FATAL_FAILURE(beginAnew());
    ask(u"What is 7 + 8? /no_think"_s);
    EXPECT_NE(latest()->recorder.file, first);
}

TEST_F(MainWindowTest, FoldersAreOpenedByDropAndFromThePickerThatRemembersThem) {
    std::filesystem::create_directory(directory / "tiny");
    test::writeTinyModel(directory / "tiny");
    const QString folder = QString::fromStdString((directory / "tiny").string());
    ASSERT_NO_FATAL_FAILURE(open({}));
    QMimeData dropped;
    dropped.setUrls({QUrl::fromLocalFile(folder)});
    QDragEnterEvent enter({50, 50}, Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(window.get(), &enter);
    EXPECT_TRUE(enter.isAccepted());
    QDropEvent drop({50, 50}, Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(window.get(), &drop);
    const auto tinyIsOpen = [&] {
        return latest()->model != nullptr && QString::fromStdString(latest()->model->directory) == folder;
    };
    ASSERT_TRUE(test::waitFor(tinyIsOpen));
    ASSERT_EQ(WindowSettings(settingsFile()).recentModels(), QStringList{folder});
    trigger(u"open_demo"_s);
    ASSERT_TRUE(test::waitFor([&] { return !tinyIsOpen(); }));
    auto& picker = find<ModelPicker>(u"model_picker"_s);
    Q_EMIT picker.menu()->aboutToShow();
    picker.menu()->actions().back()->trigger();
    ASSERT_TRUE(test::waitFor(tinyIsOpen));
}

TEST_F(MainWindowTest, RecordingPaceAndPanelsAreAClickAway) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    EXPECT_EQ(latest()->recorder.state, RecorderStatus::State::kWaiting);
    QTest::mouseClick(&find<QToolButton>(u"record_button"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] { return latest()->recorder.state == RecorderStatus::State::kOff; }));
    trigger(u"pace_5"_s);
    EXPECT_DOUBLE_EQ(workbench->decodePace(), 5.0);
    auto& sessions = find<QDockWidget>(u"dock_sessions"_s);
    EXPECT_FALSE(sessions.isVisible());
    QTest::mouseClick(&find<StatusPart>(u"status_recorder"_s), Qt::LeftButton);
    EXPECT_TRUE(sessions.isVisible());
    trigger(u"export_session"_s);
    EXPECT_TRUE(find<StatusPart>(u"status_state"_s).text().contains(u"Nothing is recorded yet"_s));
}

TEST_F(MainWindowTest, TheSessionOfATurnIsListed) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"What is 2 + 3? /think"_s);
    ASSERT_TRUE(workbench->flush());
    window->showPanel(u"sessions"_s);
    // The list of the Sessions panel, not the start page's.
    auto* list = find<QDockWidget>(u"dock_sessions"_s).findChild<QListView*>(u"session_files"_s);
    ASSERT_TRUE(test::waitFor([&] { return list->model()->rowCount() == 1; }));
    const QModelIndex session = list->model()->index(0, 0);
    EXPECT_EQ(session.data().toString(), u"What is 2 + 3? /think"_s);
    EXPECT_TRUE(
        session.data(Qt::ToolTipRole).toString().endsWith(QString::fromStdString(latest()->recorder.file.string())));
    keepPicture(u"window-sessions-light"_s);
}

/// Types a file's name into the next file dialog and accepts it.
void answerFileDialog(const QString& file) {
    auto* timer = new QTimer(qApp);
    QObject::connect(timer, &QTimer::timeout, timer, [timer, file] {
        auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
        if (dialog == nullptr) return;
        timer->deleteLater();
        dialog->findChild<QLineEdit*>(u"fileNameEdit"_s)->setText(file);
        static_cast<QDialog*>(dialog)->accept();
    });
    timer->start(10);
}

TEST_F(MainWindowTest, PictureAndTablesOfARecordedSessionAreSaved) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"What is 2 + 3? /think"_s);
    ASSERT_TRUE(workbench->flush());
    window->showPanel(u"sessions"_s);
    auto& panel = find<QDockWidget>(u"dock_sessions"_s);
    auto* list = panel.findChild<QListView*>(u"session_files"_s);
    ASSERT_TRUE(test::waitFor([&] { return list->model()->rowCount() == 1; }));
    list->setCurrentIndex(list->model()->index(0, 0));
    const auto status = [&] { return find<StatusPart>(u"status_state"_s).toolTip(); };

    const QString picture = QString::fromStdString((directory.path() / "session.png").string());
    answerFileDialog(picture);
    QTest::mouseClick(panel.findChild<QPushButton*>(u"session_image"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([&] { return status() == u"Saved %1"_s.arg(picture); }));
    EXPECT_EQ(QImage(picture).size(), window->size());

    const QString tables = QString::fromStdString((directory.path() / "tables").string());
    std::filesystem::create_directory(directory.path() / "tables");
    answerFileDialog(tables);
    QTest::mouseClick(panel.findChild<QPushButton*>(u"session_export"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([&] { return status() == u"CSV files written to %1"_s.arg(tables); }));
    EXPECT_TRUE(std::filesystem::exists(directory.path() / "tables" / "routing.csv"));

    answerFileDialog(u"/proc/no-such-folder.png"_s);
    QTest::mouseClick(panel.findChild<QPushButton*>(u"session_image"_s), Qt::LeftButton);
    EXPECT_TRUE(test::waitFor([&] { return status().contains(u"cannot be written"_s); })) << status().toStdString();
}

TEST_F(MainWindowTest, EveryViewsCsvHoldsWhatTheViewShows) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"What is 2 + 3? /think"_s);
    const SnapshotPointer kept = latest();  // the window goes on to newer ones
    const LaneSnapshot& lane = kept->lanes.front();
    window->selection().setToken(turn().first_generated_position);
    const auto rows = [&](const QString& name) { return parseCsv(window->findView(name)->csv()); };
    const TraceShape& shape = lane.history.shape();
    EXPECT_EQ(rows(u"tokens"_s).size(), 1 + lane.history.tokenCount());
    EXPECT_EQ(rows(u"timeline"_s).size(), 1 + lane.history.tokenCount());
    EXPECT_EQ(rows(u"heatmap"_s).size(), 1 + lane.history.rowCount() * shape.slots);
    EXPECT_EQ(rows(u"token-inspector"_s).size(), 1 + shape.moe_layers * shape.slots);
    EXPECT_EQ(rows(u"load-balance"_s).size(), 1 + shape.moe_layers);
    EXPECT_EQ(rows(u"think-length"_s).size(), 1 + 1);
    EXPECT_EQ(rows(u"think-length"_s)[1][1], QString::number(turn().thinking_tokens));
    EXPECT_EQ(rows(u"self-checks"_s).size(), 1 + static_cast<int>(lane.checks.size()));
    const auto chat = rows(u"chat"_s);
    QString answer;
    for (const QStringList& row : chat) answer += row[1] == u"answer"_s ? row[4] : QString();
    EXPECT_EQ(answer, find<ChatView>(u"chat_view"_s).turn(0).answerText());
}

TEST_F(MainWindowTest, PanelsFillTheWindow) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    for (const QSize size : {QSize(1600, 1000), QSize(1300, 800), QSize(1150, 720), QSize(1024, 640)}) {
        window->resize(size);
        QTest::qWait(50);  // the panels are arranged after the resize
        const int below = window->statusBar()->geometry().top();
        int lowest = 0;
        for (const QDockWidget* dock : window->findChildren<QDockWidget*>()) {
            if (dock->isVisible() && !dock->visibleRegion().isEmpty())
                lowest = std::max(lowest, dock->geometry().bottom());
        }
        EXPECT_LE(below - lowest, 3) << "empty room below the panels at " << size.width();
        const auto behind = window->tabifiedDockWidgets(&find<QDockWidget>(u"dock_heatmap"_s));
        EXPECT_EQ(behind.contains(&find<QDockWidget>(u"dock_inspector"_s)), size.width() < 1400) << size.width();
        EXPECT_EQ(behind.contains(&find<QDockWidget>(u"dock_load"_s)), size.width() < 1200) << size.width();
    }
}

TEST_F(MainWindowTest, TabGoesThroughAllPanelsAndComesBack) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"What is 2 + 3? /think"_s);
    auto& composer = find<Composer>(u"composer"_s);
    composer.setFocus();
    window->selection().setToken(turn().first_generated_position);
    QStringList visited;
    bool back = false;
    for (int press = 0; press < 100 && !back; ++press) {
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Tab);
        ASSERT_NE(QApplication::focusWidget(), nullptr);
        for (QWidget* at = QApplication::focusWidget(); at != nullptr; at = at->parentWidget()) {
            if (qobject_cast<QDockWidget*>(at) != nullptr || at->objectName() == u"control_bar"_s)
                visited << at->objectName();
        }
        back = composer.isAncestorOf(QApplication::focusWidget());
    }
    EXPECT_TRUE(back) << visited.join(u' ').toStdString();
    for (const QString& panel : {u"dock_heatmap"_s, u"dock_inspector"_s, u"dock_checks"_s, u"dock_load"_s,
                                 u"dock_timeline"_s, u"dock_chat"_s, u"control_bar"_s}) {
        EXPECT_TRUE(visited.contains(panel)) << panel.toStdString();
    }
}

TEST_F(MainWindowTest, KeepsTheFocusWhenPanelsMoveForAnotherWidth) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    auto& composer = find<Composer>(u"composer"_s);
    ASSERT_TRUE(QApplication::focusWidget() != nullptr && composer.isAncestorOf(QApplication::focusWidget()));
    for (const QSize size : {QSize(1300, 800), QSize(1150, 800), QSize(1024, 800), QSize(1600, 1000)}) {
        window->resize(size);
        QTest::qWait(50);  // the panels are arranged after the resize
        QWidget* focused = QApplication::focusWidget();
        EXPECT_TRUE(focused != nullptr && composer.isAncestorOf(focused))
            << size.width() << (focused == nullptr ? "" : focused->objectName().toStdString());
    }
}

TEST_F(MainWindowTest, LowWindowsHaveTheLoadBehindTheHeatmap) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    auto* heatmap = find<PanelDock>(u"dock_heatmap"_s).widget();
    auto& heatmap_dock = find<PanelDock>(u"dock_heatmap"_s);
    auto& load = find<PanelDock>(u"dock_load"_s);
    for (const QSize size : {QSize(1600, 720), QSize(1280, 720), QSize(1600, 600), QSize(1280, 800)}) {
        window->resize(size);
        QTest::qWait(50);  // the panels are arranged after the resize
        const bool low = size.height() < 780;
        EXPECT_EQ(window->tabifiedDockWidgets(&heatmap_dock).contains(&load), low) << size.height();
        EXPECT_GE(heatmap->height(), heatmap->minimumHeight());
        for (const QTabBar* bar : window->findChildren<QTabBar*>(Qt::FindDirectChildrenOnly)) {
            EXPECT_FALSE(bar->isVisible() && bar->geometry().intersects(heatmap_dock.geometry())) << size.height();
        }
    }
}

TEST_F(MainWindowTest, CanBeLookedAtInBothThemesAndNarrow) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ask(u"A box holds 12 pens. Tom adds 30 pens and takes out 5. How many pens are in the box?"_s);
    window->selection().setToken(turn().first_generated_position + 6);
    keepPicture(u"window-light"_s);
    Theme::instance().setChoice(ThemeChoice::kDark);
    keepPicture(u"window-dark"_s);
    const QImage dark = renderWidget(*window, 1.0);
    EXPECT_EQ(dark.pixelColor(500, 8), darkColours().window);
    Theme::instance().setChoice(ThemeChoice::kLight);
    for (const QSize size : {QSize(1300, 800), QSize(1150, 720), QSize(1024, 640)}) {
        window->resize(size);
        keepPicture(u"window-%1-light"_s.arg(size.width()));
        EXPECT_EQ(window->size(), size);
        EXPECT_FALSE(find<QWidget>(u"heatmapView"_s).visibleRegion().isEmpty()) << size.width();
        EXPECT_FALSE(find<QWidget>(u"composer"_s).visibleRegion().isEmpty()) << size.width();
        // What must never leave the bar is in it.
        for (const QString& name : {u"mode_switch"_s, u"budget_slider"_s, u"answer_now"_s}) {
            auto& widget = find<QWidget>(name);
            const QRect place(widget.mapTo(window.get(), QPoint(0, 0)), widget.size());
            EXPECT_TRUE(window->rect().contains(place)) << name.toStdString() << " at " << size.width();
            EXPECT_TRUE(widget.isVisible()) << name.toStdString();
        }
    }
    // Those of an experiment have a table once one is open (experiment_window_test.cpp).
    const std::vector<ExportableView*> of_experiments = window->experiments().exportableViews();
    for (ExportableView* view : window->exportableViews()) {
        EXPECT_FALSE(view->renderToImage(1.0).isNull()) << view->viewName().toStdString();
        if (std::ranges::find(of_experiments, view) != of_experiments.end()) continue;
        EXPECT_FALSE(view->csv().isEmpty()) << view->viewName().toStdString();
    }
}

}  // namespace
}  // namespace mixoscope
