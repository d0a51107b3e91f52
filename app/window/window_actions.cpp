// Menus, shortcuts and what they do. Every action has a tip that begins with what it does and ends with its key.
#include <QActionGroup>
#include <QApplication>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QMenuBar>
#include <QMessageBox>
#include <QPushButton>
#include <QShortcut>
#include <algorithm>
#include <array>

#include "app/window/comparison_workspace.h"
#include "app/window/control_bar.h"
#include "app/window/experiment_workspace.h"
#include "app/window/keys_dialog.h"
#include "app/window/main_window.h"
#include "app/window/panel_dock.h"
#include "app/window/recording_continuation.h"
#include "app/window/recording_playback.h"
#include "app/window/run_window.h"
#include "app/window/screenshot.h"
#include "app/window/what_if.h"
#include "sessions/csv_export.h"
#include "sessions/session_snapshot.h"
#include "views/background.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/exportable_view.h"
#include "views/format.h"
#include "views/heatmap_view.h"
#include "views/lanes_text.h"
#include "views/lanes_view.h"
#include "views/mode_switch.h"
#include "views/policy_picker.h"
#include "views/settings_dialog.h"
#include "views/status_line.h"
#include "views/theme.h"
#include "views/transport_bar.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qreal kExportScale = 2.0;

QString ending(const QKeySequence& key) {
    return key.isEmpty() ? QString() : u" ("_s + key.toString(QKeySequence::NativeText) + u")"_s;
}

}  // namespace

QAction* MainWindow::addAction(QMenu& menu, const QString& name, const QString& text, const QString& tip,
                               const QKeySequence& key, const std::function<void()>& act) {
    QAction* action = menu.addAction(text);
    action->setObjectName(u"action_"_s + name);
    action->setShortcut(key);
    action->setToolTip(tip + ending(key));
    connect(action, &QAction::triggered, this, act);
    return action;
}

void MainWindow::makeMenus() {
    makeFileMenu();
    makeEditMenu();
    makeViewMenu();
    makeChatMenu();
    makeLanesMenu();
    makeSessionMenu();
    makeExperimentMenu();
    makeHelpMenu();
    for (QAction* menu : menuBar()->actions()) menu->menu()->setToolTipsVisible(true);

    // Single keys act only while no text field has the focus: those take them first.
    const auto key = [this](Qt::Key code, void (MainWindow::*step)(std::int32_t), std::int32_t by) {
        connect(new QShortcut(QKeySequence(code), this), &QShortcut::activated, this,
                [this, step, by] { (this->*step)(by); });
    };
    key(Qt::Key_J, &MainWindow::stepToken, -1);
    key(Qt::Key_K, &MainWindow::stepToken, 1);
    key(Qt::Key_BracketLeft, &MainWindow::stepLayer, -1);
    key(Qt::Key_BracketRight, &MainWindow::stepLayer, 1);
}

void MainWindow::makeFileMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&File"));
    addAction(menu, u"open_demo"_s, tr("Open the demo model"), tr("Open the embedded model"), QKeySequence(u"Ctrl+D"_s),
              [this] { openModel(u"demo"_s); });
    addAction(menu, u"open_folder"_s, tr("Open a model folder…"), tr("Open a Hugging Face directory"),
              QKeySequence::Open, [this] { browseModel(); });
    addAction(menu, u"open_session"_s, tr("Open a recorded session…"),
              tr("Open a .mixo file and play it; the chat goes on behind it"), QKeySequence(u"Ctrl+Shift+O"_s),
              [this] { browseSession(); });
    menu.addSeparator();
    QMenu& exports = *menu.addMenu(tr("Export"));
    exports.menuAction()->setObjectName(u"menu_export"_s);
    addAction(exports, u"export_window"_s, tr("Image of the window…"), tr("Save a picture of the whole window"),
              QKeySequence(u"Ctrl+E"_s), [this] { exportWindow(); });
    for (ExportableView* view : m_exportable) addExportActions(*exports.addMenu(view->viewTitle()), *view, this);
    menu.addSeparator();
    addAction(menu, u"quit"_s, tr("Quit"), tr("End the program; the session file is complete"), QKeySequence::Quit,
              [this] { close(); });
}

void MainWindow::makeEditMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&Edit"));
    QAction* undo = m_undo.createUndoAction(this, tr("Undo"));
    undo->setObjectName(u"action_undo"_s);
    undo->setShortcut(QKeySequence::Undo);
    QAction* redo = m_undo.createRedoAction(this, tr("Redo"));
    redo->setShortcut(QKeySequence::Redo);
    menu.addActions({undo, redo});
    menu.addSeparator();
    addAction(menu, u"copy"_s, tr("Copy selected tokens"), tr("Copy the text of the selected tokens"),
              QKeySequence::Copy, [this] {
                  if (m_workspace == Workspace::kCompare) {
                      m_comparison->copySelection();
                  } else if (m_workspace == Workspace::kExperiments) {
                      m_experiments->copySelection();
                  } else {
                      m_chat->copySelection();
                  }
              });
    menu.addSeparator();
    addAction(menu, u"settings"_s, tr("Settings…"), tr("Sampling, system prompt, session folder"),
              QKeySequence(u"Ctrl+,"_s), [this] { showSettings(); });
}

void MainWindow::makeViewMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&View"));
    addAction(menu, u"workspace_chat"_s, tr("Chat workspace"), tr("Talk to the model and watch it route"),
              QKeySequence(u"Ctrl+1"_s), [this] { setWorkspace(Workspace::kChat); });
    addAction(menu, u"workspace_compare"_s, tr("Compare workspace"),
              tr("Run one prompt under several settings side by side"), QKeySequence(u"Ctrl+2"_s),
              [this] { setWorkspace(Workspace::kCompare); });
    addAction(menu, u"workspace_experiments"_s, tr("Experiments workspace"),
              tr("Ask many questions under many settings and see what changes"), QKeySequence(u"Ctrl+3"_s),
              [this] { setWorkspace(Workspace::kExperiments); });
    menu.addSeparator();
    for (const auto& [name, dock] : m_panels) {
        QAction* action = dock->toggleViewAction();
        action->setToolTip(tr("Show or hide this panel"));
        if (name == u"log"_s) action->setShortcut(QKeySequence(u"Ctrl+Shift+L"_s));
        if (name == u"sessions"_s) action->setShortcut(QKeySequence(u"Ctrl+Shift+S"_s));
        menu.addAction(action);
    }
    addAction(menu, u"reset_layout"_s, tr("Reset the layout"), tr("Put all panels where they were at the first start"),
              {}, [this] { resetLayout(); });
    menu.addSeparator();
    addAction(menu, u"toggle_thinking"_s, tr("Show or hide the thinking"), tr("Collapse or expand the think block"),
              QKeySequence(u"Ctrl+T"_s), [this] { m_chat->toggleThinkBlock(); });
    addAction(menu, u"newest"_s, tr("Go to the newest token"), tr("Scroll the chat to its end and follow it"),
              QKeySequence(u"Ctrl+End"_s), [this] { m_chat->showNewest(); });
    addAction(menu, u"turn_before"_s, tr("Show the turn before"), tr("Show the routing of the turn before this one"),
              QKeySequence(u"Alt+Up"_s), [this] { stepTurn(-1); });
    addAction(menu, u"turn_after"_s, tr("Show the turn after"), tr("Show the routing of the turn after this one"),
              QKeySequence(u"Alt+Down"_s), [this] { stepTurn(1); });
    // With Alt, so that they act while a message is being written too.
    addAction(menu, u"token_before"_s, tr("Select the token before"), tr("Move the selection one token back"),
              QKeySequence(u"Alt+Left"_s), [this] { stepToken(-1); });
    addAction(menu, u"token_after"_s, tr("Select the token after"), tr("Move the selection one token on"),
              QKeySequence(u"Alt+Right"_s), [this] { stepToken(1); });
    addAction(menu, u"layer_before"_s, tr("Show the layer before"), tr("Go to the previous MoE layer in all views"),
              QKeySequence(u"Alt+PgUp"_s), [this] { stepLayer(-1); });
    addAction(menu, u"layer_after"_s, tr("Show the layer after"), tr("Go to the next MoE layer in all views"),
              QKeySequence(u"Alt+PgDown"_s), [this] { stepLayer(1); });
    menu.addSeparator();
    makeThemeMenu(*menu.addMenu(tr("Theme")));
    makeColoursMenu(*menu.addMenu(tr("Colours of entropy and margin")));
    QAction* full = addAction(menu, u"full_screen"_s, tr("Full screen"), tr("Fill the screen or leave it"),
                              QKeySequence(u"F11"_s), [this] { setWindowState(windowState() ^ Qt::WindowFullScreen); });
    full->setCheckable(true);
}

void MainWindow::stepTurn(std::int32_t by) {
    const LaneSnapshot* lane = findLane(m_bridge.latest(), m_selection.lane());
    if (lane == nullptr || lane->turns.empty()) return;
    const auto newest = static_cast<std::int32_t>(lane->turns.size()) - 1;
    const std::int32_t now = m_selection.turn() < 0 ? newest : m_selection.turn();
    const std::int32_t next = std::clamp(now + by, 0, newest);
    m_selection.setTurn(next == newest ? -1 : next);  // the newest one follows the chat
}

void MainWindow::stepToken(std::int32_t by) {
    if (m_workspace == Workspace::kCompare) {
        m_comparison->lanes().text().stepToken(by);
    } else {
        m_chat->moveToken(by);
    }
}

void MainWindow::stepLayer(std::int32_t by) {
    const auto model = m_bridge.latest()->model;
    const std::int32_t layers = model == nullptr ? 0 : static_cast<std::int32_t>(model->moe_layers.size());
    if (layers > 0) m_selection.setLayer(std::clamp(m_selection.layer() + by, 0, layers - 1));
}

void MainWindow::makeThemeMenu(QMenu& menu) {
    auto* group = new QActionGroup(this);
    const std::array<std::pair<QString, ThemeChoice>, 3> choices = {
        {{tr("System"), ThemeChoice::kSystem}, {tr("Light"), ThemeChoice::kLight}, {tr("Dark"), ThemeChoice::kDark}}};
    for (const auto& [title, choice] : choices) {
        QAction* action = addAction(menu, u"theme_%1"_s.arg(static_cast<int>(choice)), title, tr("Use these colours"),
                                    {}, [this, choice = choice] {
                                        Theme::instance().setChoice(choice);
                                        m_settings.setTheme(choice);
                                    });
        action->setCheckable(true);
        action->setChecked(choice == Theme::instance().choice());
        group->addAction(action);
    }
}

void MainWindow::makeColoursMenu(QMenu& menu) {
    auto* group = new QActionGroup(this);
    const auto add = [&](const QString& name, const QString& title, const QString& tip, ColourMapName map) {
        QAction* action = addAction(menu, u"colours_"_s + name, title, tip, {}, [this, map] {
            m_heatmap->canvas().setDenseMap(map);
            m_settings.setDenseMap(map);
        });
        action->setCheckable(true);
        action->setChecked(map == m_heatmap->canvas().denseMap());
        group->addAction(action);
    };
    add(u"viridis"_s, tr("Viridis"), tr("Show from blue over green to yellow"), ColourMapName::kViridis);
    add(u"cividis"_s, tr("Cividis"), tr("Show from blue over grey to yellow, alike with red-green colour blindness"),
        ColourMapName::kCividis);
}

void MainWindow::makeChatMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&Chat"));
    addAction(menu, u"new_conversation"_s, tr("New conversation"),
              tr("Begin again with an empty chat and a new session file"), QKeySequence::New, [this] {
                  leaveRecording();
                  m_selection.clear();
                  m_workbench.newConversation();
              });
    menu.addSeparator();
    m_stop = addAction(menu, u"stop"_s, tr("Stop, or clear the selection"),
                       tr("Stop generating; when nothing runs, clear the selection"), QKeySequence(Qt::Key_Escape),
                       [this] { stopOrClear(); });
    m_answer_now = addAction(menu, u"answer_now"_s, tr("Answer now"), tr("Close the thinking block and answer now"),
                             QKeySequence(u"Ctrl+."_s), [this] { m_workbench.answerNow(); });
    m_answer_now->setEnabled(false);
    m_live_actions << addAction(menu, u"cycle_mode"_s, tr("Next thinking mode"),
                                tr("Auto, Think, No think: the next one"), QKeySequence(u"Ctrl+M"_s),
                                [this] { m_controls->modeSwitch().cycle(); });
    m_live_actions << addAction(menu, u"focus_budget"_s, tr("Set the thinking budget"),
                                tr("Move the focus to the budget slider"), QKeySequence(u"Ctrl+B"_s),
                                [this] { m_controls->budget().slider().setFocus(Qt::ShortcutFocusReason); });
    m_live_actions << addAction(menu, u"policy"_s, tr("Set the routing policy…"),
                                tr("Open the routing policy's text and parameters"), QKeySequence(u"Ctrl+P"_s),
                                [this] { m_controls->policyPicker().openEditor(); });
    menu.addActions({&m_what_if->forkAction(), &m_what_if->measureAction()});
    addAction(menu, u"focus_message"_s, tr("Write a message"), tr("Move the focus to the message"),
              QKeySequence(u"Ctrl+L"_s), [this] {
                  if (m_workspace == Workspace::kCompare) {
                      m_comparison->lanes().setFocus();
                  } else {
                      leaveRecording();
                      m_composer->setFocus();
                  }
              });
    menu.addSeparator();
    QMenu& pace = *menu.addMenu(tr("Decode pace"));
    auto* group = new QActionGroup(this);
    for (const int tokens_per_s : {0, 20, 5, 1}) {
        const QString title =
            tokens_per_s == 0 ? tr("As fast as it goes") : tr("Slow motion: %1 tok/s").arg(tokens_per_s);
        QAction* action =
            addAction(pace, u"pace_%1"_s.arg(tokens_per_s), title, tr("Slow the model down to watch it route"), {},
                      [this, tokens_per_s] { m_workbench.setDecodePace(tokens_per_s); });
        action->setCheckable(true);
        action->setChecked(tokens_per_s == 0);
        group->addAction(action);
    }
    connect(&pace, &QMenu::aboutToShow, this, [this, group] {
        for (QAction* action : group->actions()) {
            const QString name = u"action_pace_%1"_s.arg(static_cast<int>(m_workbench.decodePace()));
            action->setChecked(action->objectName() == name);
        }
    });
}

void MainWindow::makeLanesMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&Lanes"));
    // Each of them shows the workspace that it acts in.
    const auto add = [&](const QString& name, const QString& text, const QString& tip, const QKeySequence& key,
                         void (ComparisonWorkspace::*act)()) {
        addAction(menu, name, text, tip, key, [this, act] {
            setWorkspace(Workspace::kCompare);
            (m_comparison->*act)();
        });
    };
    add(u"run_lanes"_s, tr("Run all lanes"), tr("Run all lanes from the prompt"), QKeySequence(u"Ctrl+R"_s),
        &ComparisonWorkspace::run);
    add(u"measure_quality"_s, tr("Measure quality, teacher-forced"),
        tr("Feed the baseline's tokens to all lanes and judge them"), {}, &ComparisonWorkspace::measureQuality);
    add(u"measure_alone"_s, tr("Measure each lane's speed alone"),
        tr("Run each lane once more without the others, for its speed"), {}, &ComparisonWorkspace::measureAlone);
    menu.addSeparator();
    add(u"add_lane"_s, tr("Add a lane"), tr("Add a lane with another policy"), QKeySequence(u"Ctrl+Shift+N"_s),
        &ComparisonWorkspace::addLane);
    addAction(menu, u"edit_lanes"_s, tr("Edit lanes…"), tr("Set policy, budget, mode and sampling of each lane"),
              QKeySequence(u"Ctrl+Shift+P"_s), [this] {
                  setWorkspace(Workspace::kCompare);
                  m_comparison->editLanes();
              });
    menu.addSeparator();
    add(u"export_lanes"_s, tr("Export the comparison as CSV…"), tr("Write texts and measures of all lanes"), {},
        &ComparisonWorkspace::exportCsv);
    connect(&menu, &QMenu::aboutToShow, this, [this] {
        const QString reason = m_comparison->whyNothingToMeasure();
        for (const QString& name : {u"measure_quality"_s, u"measure_alone"_s, u"export_lanes"_s}) {
            auto* action = findChild<QAction*>(u"action_"_s + name);
            action->setEnabled(reason.isEmpty());
            if (!reason.isEmpty()) action->setToolTip(reason);
        }
    });
}

void MainWindow::makeSessionMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&Session"));
    QAction* record =
        addAction(menu, u"record"_s, tr("Record to a session file"), tr("Write every token and its routing to a file"),
                  QKeySequence(u"Ctrl+Shift+R"_s), [] {});
    m_live_actions << record;
    record->setCheckable(true);
    record->setChecked(true);
    connect(record, &QAction::toggled, this, [this](bool on) { m_workbench.setRecording(on); });
    connect(&menu, &QMenu::aboutToShow, record, [this, record] {
        const QSignalBlocker blocker(record);
        record->setChecked(m_bridge.latest()->recorder.state != RecorderStatus::State::kOff);
    });
    addAction(menu, u"export_session"_s, tr("Export this session as CSV…"),
              tr("Write tokens, routing and settings as CSV files"), QKeySequence(u"Ctrl+Shift+E"_s),
              [this] { exportSession(QString::fromStdString(m_bridge.latest()->recorder.file.string())); });
    menu.addSeparator();
    m_recording_actions << addAction(menu, u"play"_s, tr("Play or pause the recording"),
                                     tr("Play the recording from its cursor, or pause (Space)"), {},
                                     [this] { m_recording->transport().togglePlay(); });
    menu.addAction(&m_continuation->action());
    m_recording_actions << addAction(menu, u"leave_recording"_s, tr("Back to the live chat"),
                                     tr("Close the recording; the chat went on meanwhile"), QKeySequence(u"Ctrl+W"_s),
                                     [this] { leaveRecording(); });
    menu.addSeparator();
    addAction(menu, u"show_sessions"_s, tr("Show recorded sessions"), tr("Open the list of session files"), {},
              [this] { showPanel(u"sessions"_s); });
}

void MainWindow::makeHelpMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("&Help"));
    addAction(menu, u"keys"_s, tr("Keys"), tr("List all keys"), QKeySequence::HelpContents, [this] { showKeys(); });
    addAction(menu, u"about"_s, tr("About Mixoscope"), tr("Version and licence"), {}, [this] { showAbout(); });
}

void MainWindow::browseModel() {
    const QStringList recent = m_settings.recentModels();
    const QString from = recent.isEmpty() ? QDir::homePath() : QFileInfo(recent.first()).absolutePath();
    const QString directory = QFileDialog::getExistingDirectory(this, tr("Open a model folder"), from);
    if (!directory.isEmpty()) openModel(directory);
}

void MainWindow::exportWindow() {
    const QImage image = renderWidget(*this, kExportScale);  // before the dialog lies over it
    const QString path =
        QFileDialog::getSaveFileName(this, tr("Image of the window"), u"mixoscope.png"_s, tr("PNG image (*.png)"));
    if (!path.isEmpty()) savePictureAndTell([&] { return image; }, path);
}

void MainWindow::savePictureAndTell(const std::function<QImage()>& draw, const QString& path) {
    try {
        savePicture(draw(), path);
        m_status->showMessage(tr("Saved %1").arg(path), false);
    } catch (const std::exception& error) {
        m_status->showMessage(format::plainText(error.what()), true);
    }
}

void MainWindow::exportSession(const QString& file) {
    if (file.isEmpty())
        return m_status->showMessage(tr("Nothing is recorded yet; a session begins with the first message"), true);
    const QString directory =
        QFileDialog::getExistingDirectory(this, tr("Folder for the CSV files"), QFileInfo(file).absolutePath());
    if (directory.isEmpty()) return;
    m_status->showMessage(tr("Exporting %1").arg(QFileInfo(file).fileName()), false);
    tellWhenDone(m_status, tr("CSV files written to %1").arg(directory),
                 [file, directory] { exportCsv(file.toStdString(), directory.toStdString()); });
}

void MainWindow::exportSessionImage(const QString& file) {
    const QString name = QFileInfo(file).completeBaseName() + u".png"_s;
    const QString path =
        QFileDialog::getSaveFileName(this, tr("Picture of the session"), name, tr("PNG image (*.png)"));
    if (path.isEmpty()) return;
    m_status->showMessage(tr("Reading %1").arg(QFileInfo(file).fileName()), false);
    struct Read {
        SnapshotPointer snapshot;  // null: it cannot be read, and `problem` says why
        QString problem;
    };
    inBackground(
        this,
        [file]() -> Read {
            try {
                return {.snapshot = snapshotOfSession(file.toStdString()), .problem = {}};
            } catch (const std::exception& exception) {
                return {.snapshot = nullptr, .problem = format::plainText(exception.what())};
            }
        },
        [path, size = size()](MainWindow& window, const Read& read) {
            if (read.snapshot == nullptr) return window.m_status->showMessage(read.problem, true);
            window.savePictureAndTell([&] { return pictureOf(read.snapshot, size); }, path);
        });
}

void MainWindow::showSettings() {
    if (m_settings_dialog == nullptr) {
        m_settings_dialog = new SettingsDialog(this);
        connect(m_settings_dialog, &SettingsDialog::samplingChanged, this,
                [this](const SamplingSettings& sampling, std::int32_t most) {
                    changeSettings([&](LaneSettings& settings) {
                        settings.sampling = sampling;
                        settings.max_tokens = most;
                    });
                });
        connect(m_settings_dialog, &SettingsDialog::systemPromptChanged, this, [this](const QString& text) {
            m_settings.setSystemPrompt(text);
            m_workbench.setSystemPrompt(text.toStdString());
        });
        connect(m_settings_dialog, &SettingsDialog::sessionDirectoryChanged, this,
                [this](const QString& directory) { m_settings.setSessionDirectory(directory); });
        connect(m_settings_dialog, &SettingsDialog::decodePaceChanged, this,
                [this](double pace) { m_workbench.setDecodePace(pace); });
    }
    ChatPreferences preferences;
    const LaneSettings settings = m_workbench.settings();
    preferences.sampling = settings.sampling;
    preferences.max_tokens = settings.max_tokens;
    preferences.system_prompt = m_settings.systemPrompt();
    preferences.session_directory = m_settings.sessionDirectory();
    preferences.default_session_directory = QString::fromStdString(sessionDirectoryDefault().string());
    preferences.decode_pace = m_workbench.decodePace();
    m_settings_dialog->showPreferences(preferences);
    m_settings_dialog->show();
    m_settings_dialog->raise();
}

void MainWindow::showKeys() {
    std::vector<KeyRow> rows = {
        {tr("Enter"), tr("Send the message")},
        {tr("Shift+Enter"), tr("Break the line")},
        {tr("Left, Right"), tr("Previous and next token, in the chat and in the maps")},
        {tr("J, K; [, ]"), tr("Previous and next token, previous and next layer, unless a text is being written")},
        {tr("F"), tr("Follow the newest token, in the heatmap")},
        {tr("+, −"), tr("Zoom, in the heatmap and in the timeline")},
        {tr("Space; Left, Right; Page Up, Page Down; Home, End"),
         tr("Play a recording, step by token, by turn, all the way")},
        {tr("B; Shift+J, Shift+K; L"), tr("Mark a place of a recording, go to the bookmarks, begin and end a loop")}};
    for (const QAction* action : findChildren<QAction*>()) {
        if (action->shortcut().isEmpty() || action->text().isEmpty()) continue;
        rows.push_back({action->shortcut().toString(QKeySequence::NativeText), action->text().remove(u'&')});
    }
    auto* dialog = new KeysDialog(rows, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->show();
}

void MainWindow::showAbout() {
    QMessageBox::about(
        this, tr("About Mixoscope"),
        tr("<b>Mixoscope %1</b><br>Shows which experts a mixture-of-experts model uses while it thinks.<br><br>"
           "Free software under the GNU General Public License, version 3 or later.<br>Qt %2, Inter, DejaVu Sans Mono.")
            .arg(QApplication::applicationVersion(), QString::fromLatin1(qVersion())));
}

}  // namespace mixoscope
