// Recorded sessions in the window: opening, playing, and the way back to the live chat.
#include <QDir>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QKeyEvent>
#include <QMimeData>
#include <QToolBar>

#include "app/window/comparison_workspace.h"
#include "app/window/control_bar.h"
#include "app/window/experiment_workspace.h"
#include "app/window/main_window.h"
#include "app/window/recording_continuation.h"
#include "app/window/recording_playback.h"
#include "app/window/run_window.h"
#include "app/window/what_if.h"
#include "sessions/experiment_store.h"
#include "views/background.h"
#include "views/bookmarks_view.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/format.h"
#include "views/mode_switch.h"
#include "views/policy_picker.h"
#include "views/recording_bookmarks.h"
#include "views/recording_notice.h"
#include "views/session_library_view.h"
#include "views/session_list_view.h"
#include "views/start_page.h"
#include "views/status_line.h"
#include "views/transport_bar.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

bool isSessionFile(const QString& path) {
    return path.endsWith(u".mixo"_s, Qt::CaseInsensitive) && !QFileInfo(path).isDir();
}

void MainWindow::openSession(const QString& file) {
    if (file.isEmpty()) return;
    m_asked_session = file;
    m_error_dismissed = false;
    m_bridge.setSource(m_recording->open(file));
}

void MainWindow::leaveRecording() {
    if (!m_recording->isOpen()) return;
    m_error_dismissed = true;
    m_continuation->stopListening();
    m_bridge.setSource(WorkbenchBridge::sourceOf(m_workbench));
    m_recording->close();
}

void MainWindow::browseSession() {
    QString from = m_settings.sessionDirectory();
    if (from.isEmpty()) from = QString::fromStdString(sessionDirectoryDefault().string());
    open(QFileDialog::getOpenFileName(this, tr("Open a recorded session"), from, tr("Recorded sessions (*.mixo)")));
}

void MainWindow::connectSessions() {
    m_sessions->setDirectory(QString::fromStdString(m_session_directory.string()));
    SessionListView& list = m_sessions->sessions();
    connect(&list, &SessionListView::openAsked, this, &MainWindow::openSession);
    connect(&list, &SessionListView::exportAsked, this, &MainWindow::exportSession);
    connect(&list, &SessionListView::imageAsked, this, &MainWindow::exportSessionImage);
    connect(m_sessions, &SessionLibraryView::importAsked, this, &MainWindow::importSessions);
    connect(m_sessions, &SessionLibraryView::changed, this, &MainWindow::refreshSessions);
    connectBookmarks();
}

void MainWindow::connectBookmarks() {
    connect(m_bookmarks, &BookmarksView::rowAsked, this, [this](qint64 row) { m_recording->transport().goToRow(row); });
    connect(m_bookmarks, &BookmarksView::bookmarkAsked, this,
            [this] { m_recording->mark(m_recording->transport().row()); });
    connect(m_recording, &RecordingPlayback::noteAsked, this, [this](qint64 row) {
        showPanel(u"bookmarks"_s);
        m_bookmarks->editNote(row);
    });
    connect(m_recording, &RecordingPlayback::marked, this, [this](qint64 row) {
        m_status->showMessage(tr("Marked token %1; B again writes a note").arg(format::count(row)), false);
    });
    connect(&m_recording->bookmarks(), &RecordingBookmarks::failed, this,
            [this](const QString& message) { m_status->showMessage(message, true); });
}

void MainWindow::connectContinuation() {
    m_recording->notice().offerContinuing(m_continuation->action());
    connect(&m_continuation->action(), &QAction::triggered, this, [this] { continueRecording(false); });
    connect(m_what_if, &WhatIf::continueAsked, this, [this] { continueRecording(true); });
    connect(m_continuation, &RecordingContinuation::begun, this, &MainWindow::showContinued);
    connect(m_continuation, &RecordingContinuation::refused, m_what_if, &WhatIf::forget);
}

void MainWindow::continueRecording(bool stop_there) {
    const SnapshotPointer& shown = m_bridge.latest();
    if (shown->playback == nullptr) return;
    m_asked_model = QString::fromStdString(shown->model->name);
    m_continuation->begin(m_recording->file(), shown->playback->step, stop_there);
}

void MainWindow::showContinued() {
    leaveRecording();
    setWorkspace(Workspace::kChat);
    m_undo.clear();
    m_chat->showNewest();
    const LaneSettings settings = m_workbench.settings();
    m_controls->modeSwitch().showMode(settings.mode);
    m_controls->budget().showBudget(settings.budget);
    m_controls->policyPicker().showPolicy(QString::fromStdString(settings.policy));
}

void MainWindow::noteRecorders(const WorkbenchSnapshot& snapshot) {
    if (snapshot.recorded) return;  // the chat goes on behind it
    QStringList files;
    for (const RecorderStatus* recorder : {&snapshot.recorder, &snapshot.comparison_recorder}) {
        if (recorder->state == RecorderStatus::State::kWaiting || recorder->state == RecorderStatus::State::kRecording)
            files << QString::fromStdString(recorder->file.string());
    }
    m_sessions->setRecording(files);
}

void MainWindow::importSessions() {
    m_sessions->importFiles(QFileDialog::getOpenFileNames(this, tr("Import recorded sessions"), QDir::homePath(),
                                                          tr("Recorded sessions (*.mixo)")));
}

void MainWindow::refreshSessions() {
    // Reading the files takes as long as the disk takes: not here.
    inBackground(
        this,
        [workbench = &m_workbench, list = &m_session_list, directory = m_session_directory, number = ++m_listings] {
            workbench->flush();
            return std::pair(number, list->list(directory));
        },
        [](MainWindow& window, const auto& listing) {
            if (listing.first < window.m_shown_listing) return;
            window.m_shown_listing = listing.first;
            window.m_sessions->showSessions(listing.second);
            window.m_start->showSessions(listing.second);
        });
}

void MainWindow::open(const QString& path) {
    if (isExperimentFile(path)) return openExperiment(path);
    if (!isSessionFile(path)) return openModel(path);
    // What the file holds is looked up as fast as the disk is: not here.
    inBackground(
        this, [path] { return holdsExperiment(path.toStdString()); },
        [path](MainWindow& window, bool experiment) {
            if (experiment) {
                window.openExperiment(path);
            } else {
                window.openSession(path);
            }
        });
}

void MainWindow::showRecording(const SnapshotPointer& snapshot) {
    m_recording->takeSnapshot(snapshot);
    m_composer->setVisible(!snapshot->recorded);
    for (QAction* action : m_live_actions) action->setEnabled(!snapshot->recorded);
    for (QAction* action : m_recording_actions) action->setEnabled(snapshot->playback != nullptr);
    const QString shown = snapshot->playback != nullptr ? m_recording->file() : QString();
    if (shown == m_shown_recording) return;
    m_shown_recording = shown;
    // Another sequence: nothing of what was selected means anything in it.
    m_selection.setTurn(-1);
    m_selection.setLane(0);
    m_selection.clear();
    m_comparison->selection().clear();
    setWindowTitle(shown.isEmpty() ? u"Mixoscope"_s : tr("%1, recording – Mixoscope").arg(QFileInfo(shown).fileName()));
    if (shown.isEmpty()) {
        if (m_workspace == Workspace::kChat) chatControl()->setFocus();
        return;
    }
    setWorkspace(snapshot->comparison != nullptr ? Workspace::kCompare : Workspace::kChat);
    m_recording->transport().setFocus();
}

QWidget* MainWindow::chatControl() const {
    if (m_shown_recording.isEmpty()) return m_composer;
    return &m_recording->transport();
}

void MainWindow::keyPressEvent(QKeyEvent* event) {
    // Keys that no view has a use for.
    if (m_shown_recording.isEmpty() || !m_recording->transport().pressKey(*event)) QMainWindow::keyPressEvent(event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    const QList<QUrl> urls = event->mimeData()->urls();
    if (urls.isEmpty()) return;
    const QString path = urls.first().toLocalFile();
    if (QFileInfo(path).isDir() || isSessionFile(path) || isExperimentFile(path)) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
    open(event->mimeData()->urls().first().toLocalFile());
}

}  // namespace mixoscope
