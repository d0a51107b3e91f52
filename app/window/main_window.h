// The workbench's window: docks around one conversation, and the commands that drive it.
#pragma once

#include <QMainWindow>
#include <QTimer>
#include <QUndoStack>
#include <array>
#include <functional>
#include <vector>

#include "app/window/window_settings.h"
#include "sessions/session_list.h"
#include "sessions/workbench.h"
#include "views/bridge.h"
#include "views/selection.h"

class QAction;
class QActionGroup;
class QImage;
class QMenu;
class QStackedWidget;
class QTabBar;

namespace mixoscope {

class BookmarksView;
class ChatView;
class ChecksView;
class ComparisonWorkspace;
class Composer;
class ControlBar;
class ErrorPage;
class ExperimentWorkspace;
class ExportableView;
class HeatmapView;
class PanelDock;
class RecordingContinuation;
class RecordingPlayback;
class SessionLibraryView;
class SettingsDialog;
class StartPage;
class StatusLine;
class TokenInspector;
class WhatIf;

struct WindowOptions {
    QString settings_file;         // empty: the user's; "-": none
    SnapshotSource source;         // empty: the workbench's own snapshots
    WorkbenchOptions engine = {};  // the workbench's own: for experiments, which have a model of their own, and whose
                                   // sessions are listed
};

/// By its name: a recorded session and not a model.
bool isSessionFile(const QString& path);

/// What the window is arranged for; each has panels, a bar and a layout of its own.
enum class Workspace { kChat, kCompare, kExperiments };

class MainWindow : public QMainWindow {
    Q_OBJECT

public:
    MainWindow(Workbench& workbench, WindowOptions options, QWidget* parent = nullptr);
    ~MainWindow() override;

    /// Opens a model ("demo", a folder); returns at once.
    void openModel(const QString& model);
    /// Shows a recorded session in place of the live chat, which goes on; returns at once.
    void openSession(const QString& file);
    /// Shows an experiment, or the results of one; returns at once.
    void openExperiment(const QString& file);
    /// Whichever of them the path names; returns at once.
    void open(const QString& path);
    /// Back to the live chat, as it is by now.
    void leaveRecording();
    /// All views that can be exported, in menu order.
    std::vector<ExportableView*> exportableViews() const;
    ExportableView* findView(const QString& name) const;
    QWidget* widgetOf(const QString& name) const;
    Selection& selection() { return m_selection; }
    WorkbenchBridge& bridge() { return m_bridge; }
    /// Shows a panel and gives it the focus.
    void showPanel(const QString& name);
    /// The layout that a first start has.
    void resetLayout();
    Workspace workspace() const { return m_workspace; }
    void setWorkspace(Workspace workspace);
    ComparisonWorkspace& comparison() { return *m_comparison; }
    ExperimentWorkspace& experiments() { return *m_experiments; }

protected:
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;
    bool focusNextPrevChild(bool next) override;
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void makePanels();
    template <typename View>
    View* addPanel(const QString& name, const QString& title, View* view);
    QWidget* makeChatPanel();
    /// What can be asked of a token, in every view that shows tokens.
    void makeTokenActions();
    void connectControls();

    // window_actions.cpp
    void makeMenus();
    void makeFileMenu();
    void makeEditMenu();
    void makeViewMenu();
    void makeChatMenu();
    void makeLanesMenu();
    void makeSessionMenu();
    void makeHelpMenu();
    void makeThemeMenu(QMenu& menu);
    void makeColoursMenu(QMenu& menu);
    QAction* addAction(QMenu& menu, const QString& name, const QString& text, const QString& tip,
                       const QKeySequence& key, const std::function<void()>& act);
    void exportWindow();
    void exportSession(const QString& file);
    void exportSessionImage(const QString& file);
    void savePictureAndTell(const std::function<QImage()>& draw, const QString& path);
    void browseModel();
    /// Has the panels show an earlier turn, or a later one.
    void stepTurn(std::int32_t by);
    /// Moves the selection of the workspace in front by tokens, or by MoE layers, as far as there are any.
    void stepToken(std::int32_t by);
    void stepLayer(std::int32_t by);
    // window_recordings.cpp
    void browseSession();
    void connectSessions();
    void connectBookmarks();
    void importSessions();
    /// Remembers what is being recorded while a recording is shown.
    void noteRecorders(const WorkbenchSnapshot& snapshot);
    void showRecording(const SnapshotPointer& snapshot);
    void connectContinuation();
    /// A new conversation from the step that is shown.
    void continueRecording(bool stop_there);
    void showContinued();
    void showKeys();
    void showAbout();
    void showSettings();

    // window_experiments.cpp
    void makeExperimentPanels();
    void makeExperimentMenu();
    void connectExperiments();
    void arrangeExperiments();
    /// Whether and why not a run of an experiment can be asked in the chat.
    void updateAsking();
    void askInChat(const QString& question, const LaneSettings& settings);

    // window_layout.cpp
    void makeWorkspaceSwitch();
    bool belongsTo(const QString& panel, Workspace workspace) const;
    void showWorkspaceParts();
    void arrangeComparison();
    enum class Narrowness { kWide, kInspectorTabbed, kLoadTabbed, kChatOver };
    static Narrowness narrownessOf(QSize size);
    void arrangePanels(Narrowness narrowness);
    void sizePanels(Narrowness narrowness);
    /// Remembers and brings back where the panels of a chat are; the start and error pages have sizes of their own.
    void keepLayout();
    void bringBackLayout();
    void restoreLayout();
    /// What has the focus in the chat: where one writes, or plays.
    QWidget* chatControl() const;
    void rearrange();
    /// Low windows give the chat the token strip's room.
    void fitHeight();
    void nameTabBars();
    PanelDock* panel(const QString& name) const;

    void takeSnapshot(const SnapshotPointer& snapshot);
    void showPage(const WorkbenchSnapshot& snapshot);
    std::optional<ErrorParts> changeSettings(const std::function<void(LaneSettings&)>& change);
    void syncSettings();
    void refreshSessions();
    void stopOrClear();

    Workbench& m_workbench;
    WindowSettings m_settings;
    WorkbenchBridge m_bridge;
    Selection m_selection;
    QUndoStack m_undo;
    Workspace m_workspace = Workspace::kChat;
    ComparisonWorkspace* m_comparison = nullptr;
    ExperimentWorkspace* m_experiments = nullptr;
    WhatIf* m_what_if = nullptr;
    QTabBar* m_workspace_tabs = nullptr;
    ControlBar* m_controls = nullptr;
    StatusLine* m_status = nullptr;
    QStackedWidget* m_pages = nullptr;
    QWidget* m_page = nullptr;  // shown now: one of the three below
    StartPage* m_start = nullptr;
    ErrorPage* m_error = nullptr;
    QWidget* m_chat_page = nullptr;
    ChatView* m_chat = nullptr;
    HeatmapView* m_heatmap = nullptr;
    TokenInspector* m_inspector = nullptr;
    QWidget* m_strip = nullptr;
    Composer* m_composer = nullptr;
    SessionLibraryView* m_sessions = nullptr;
    BookmarksView* m_bookmarks = nullptr;
    SettingsDialog* m_settings_dialog = nullptr;
    std::vector<std::pair<QString, PanelDock*>> m_panels;
    std::vector<std::function<void(const SnapshotPointer&)>> m_listeners;
    std::vector<ExportableView*> m_exportable;
    QAction* m_answer_now = nullptr;
    QAction* m_stop = nullptr;
    RecordingPlayback* m_recording = nullptr;
    QList<QAction*> m_live_actions;       // that a recording has no use for
    QList<QAction*> m_recording_actions;  // that only a recording has
    QString m_shown_recording;            // empty: the live chat
    QString m_asked_session;              // what openSession() was last given
    QString m_asked_model;                // what openModel() was last given
    bool m_error_dismissed = true;
    std::shared_ptr<const ModelFacts> m_shown_model;
    std::pair<std::filesystem::path, std::size_t>
        m_listed;  // session file and its turns when sessions were last listed
    std::filesystem::path m_session_directory;
    SessionList m_session_list;
    std::uint64_t m_listings = 0;       // of the sessions, begun so far
    std::uint64_t m_shown_listing = 0;  // an older one comes too late
    Narrowness m_narrowness = Narrowness::kWide;
    std::array<QByteArray, 4> m_layouts;  // by Narrowness; empty: as at the first start
    QTimer m_rearrange;                   // after the window crossed a width
    QByteArray m_comparison_layout;       // of the compare workspace, at any width
    bool m_show_editor = false;           // of an experiment, also in a narrow window
    QByteArray m_experiment_layout;       // of the experiments, likewise
    bool m_arranged = false;
    RecordingContinuation* m_continuation = nullptr;
};

}  // namespace mixoscope
