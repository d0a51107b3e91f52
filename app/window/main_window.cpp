#include "app/window/main_window.h"

#include <QCloseEvent>
#include <QFileInfo>
#include <QScreen>
#include <QScrollArea>
#include <QStackedWidget>
#include <QStatusBar>
#include <QThread>
#include <QThreadPool>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/window/comparison_bar.h"
#include "app/window/comparison_workspace.h"
#include "app/window/control_bar.h"
#include "app/window/experiment_bar.h"
#include "app/window/experiment_workspace.h"
#include "app/window/panel_dock.h"
#include "app/window/recording_continuation.h"
#include "app/window/recording_playback.h"
#include "app/window/what_if.h"
#include "views/attribution_view.h"
#include "views/bookmarks_view.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/checks_view.h"
#include "views/comparison_status.h"
#include "views/composer.h"
#include "views/error_page.h"
#include "views/experiment_status.h"
#include "views/expert_inspector.h"
#include "views/fork_tree.h"
#include "views/format.h"
#include "views/heatmap_view.h"
#include "views/lanes_view.h"
#include "views/load_chart.h"
#include "views/log_view.h"
#include "views/metrics_view.h"
#include "views/mode_switch.h"
#include "views/model_picker.h"
#include "views/policy_picker.h"
#include "views/recording_notice.h"
#include "views/session_library_view.h"
#include "views/start_page.h"
#include "views/status_line.h"
#include "views/theme.h"
#include "views/think_chart.h"
#include "views/timeline.h"
#include "views/token_inspector.h"
#include "views/token_strip.h"
#include "views/transport_bar.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

MainWindow::MainWindow(Workbench& workbench, WindowOptions options, QWidget* parent)
    : QMainWindow(parent),
      m_workbench(workbench),
      m_settings(options.settings_file),
      m_bridge(options.source.take ? std::move(options.source) : WorkbenchBridge::sourceOf(workbench)),
      m_session_directory(options.engine.session_directory) {
    setObjectName(u"main_window"_s);
    setWindowTitle(u"Mixoscope"_s);
    setWindowIcon(themedIcon(u"mixoscope"_s));
    setDockNestingEnabled(true);
    setAcceptDrops(true);
    setMinimumSize(960, 600);
    setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
    setContextMenuPolicy(Qt::NoContextMenu);
    // All panels are docks: without a central widget they fill the window.

    m_controls = new ControlBar(m_undo, this);
    addToolBar(m_controls);
    m_comparison = new ComparisonWorkspace(
        m_workbench, [this] { return m_settings.systemPrompt(); }, this);
    addToolBar(&m_comparison->bar());
    m_experiments = new ExperimentWorkspace(options.engine, this);
    addToolBar(&m_experiments->bar());
    addToolBarBreak();
    addToolBar(&m_experiments->progressBar());
    m_recording = new RecordingPlayback(this);
    addToolBar(Qt::BottomToolBarArea, &m_recording->bar());
    m_continuation = new RecordingContinuation(m_workbench, this);
    makePanels();
    makeTokenActions();
    makeExperimentPanels();
    m_status = new StatusLine(m_bridge, this);
    statusBar()->setSizeGripEnabled(false);
    statusBar()->addWidget(m_status, 1);
    statusBar()->addWidget(&m_comparison->status(), 1);
    statusBar()->addWidget(&m_experiments->status(), 1);
    makeMenus();
    makeWorkspaceSwitch();
    connectControls();
    connectContinuation();
    connectExperiments();

    m_workbench.setSystemPrompt(m_settings.systemPrompt().toStdString());
    m_controls->modelPicker().setRecent(m_settings.recentModels());
    m_controls->policyPicker().setRecent(m_settings.recentPolicies());
    connect(&m_bridge, &WorkbenchBridge::snapshotChanged, this, &MainWindow::takeSnapshot);
    connect(&Theme::instance(), &Theme::changed, this, qOverload<>(&QWidget::update));
    m_rearrange.setSingleShot(true);
    m_rearrange.setInterval(0);
    connect(&m_rearrange, &QTimer::timeout, this, &MainWindow::rearrange);
    syncSettings();
    takeSnapshot(m_bridge.latest());
    refreshSessions();

    resize(QSize(1600, 1000).boundedTo(screen()->availableGeometry().size()));
    if (!m_settings.geometry().isEmpty()) restoreGeometry(m_settings.geometry());
}

MainWindow::~MainWindow() {
    // Lists of sessions under way use the workbench, which its owner destroys next.
    QThreadPool::globalInstance()->waitForDone();
}

template <typename View>
View* MainWindow::addPanel(const QString& name, const QString& title, View* view) {
    auto* dock = new PanelDock(u"dock_"_s + name, title, view, this);
    m_panels.emplace_back(name, dock);
    if constexpr (std::is_base_of_v<ExportableView, View>) m_exportable.push_back(view);
    if constexpr (requires(View & v, const SnapshotPointer& s) { v.setSnapshot(s); }) {
        m_listeners.push_back([view](const SnapshotPointer& snapshot) { view->setSnapshot(snapshot); });
    }
    return view;
}

QWidget* MainWindow::makeChatPanel() {
    m_pages = new QStackedWidget(this);
    m_pages->setObjectName(u"chat_pages"_s);
    m_start = new StartPage(m_pages);
    m_error = new ErrorPage(m_pages);
    m_chat_page = new QWidget(m_pages);
    m_chat_page->setObjectName(u"chat_page"_s);
    m_chat_page->setProperty("role", u"panel"_s);
    m_chat = new ChatView(m_bridge, m_selection, m_chat_page);
    auto* strip = new TokenStrip(m_selection, m_chat_page);
    m_strip = strip;
    m_exportable.push_back(strip);
    m_listeners.push_back([strip](const SnapshotPointer& snapshot) { strip->setSnapshot(snapshot); });
    m_composer = new Composer(m_chat_page);
    auto* column = new QVBoxLayout(m_chat_page);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_chat, 1);
    column->addWidget(strip);
    column->addWidget(m_composer);
    column->addWidget(&m_recording->notice());
    // Pages with much to say scroll where the window is small; the chat does that itself.
    for (QWidget* page : std::initializer_list<QWidget*>{m_start, m_error}) {
        auto* area = new QScrollArea(m_pages);
        page->setAttribute(Qt::WA_StyledBackground);
        area->setWidget(page);
        area->setWidgetResizable(true);
        area->setFrameShape(QFrame::NoFrame);
        area->setFocusPolicy(Qt::NoFocus);
        area->setFocusProxy(page);
        m_pages->addWidget(area);
    }
    m_pages->addWidget(m_chat_page);
    const QString cores = tr("CPU: %1 cores for this process").arg(QThread::idealThreadCount());
    m_start->setMachine(cores);
    return m_pages;
}

void MainWindow::makePanels() {
    addPanel(u"chat"_s, tr("Chat"), makeChatPanel());
    m_exportable.push_back(m_chat);
    m_heatmap = addPanel(u"heatmap"_s, tr("Routing heatmap"), new HeatmapView(m_selection, this));
    m_heatmap->canvas().setDenseMap(m_settings.denseMap());
    panel(u"heatmap"_s)->setSubtitle(tr("selection shared with all panels"));
    addPanel(u"load"_s, tr("Load balance"), new LoadChart(m_selection, this));
    addPanel(u"thinking"_s, tr("Think length"), new ThinkChart(m_selection, this));
    m_inspector = addPanel(u"inspector"_s, tr("Token inspector"), new TokenInspector(m_selection, this));
    auto* experts = addPanel(u"expert"_s, tr("Expert inspector"), new ExpertInspector(m_selection, this));
    connect(m_experiments, &ExperimentWorkspace::changed, experts,
            [this, experts] { experts->setExperiment(m_experiments->latest()); });
    connect(&m_heatmap->canvas(), &HeatmapCanvas::expertOpened, this, [this] { showPanel(u"expert"_s); });
    addPanel(u"checks"_s, tr("Self-checks"), new ChecksView(m_selection, this));
    addPanel(u"timeline"_s, tr("Timeline"), new Timeline(m_selection, this));
    m_bookmarks = addPanel(u"bookmarks"_s, tr("Bookmarks"), new BookmarksView(m_recording->bookmarks(), this));
    m_sessions = addPanel(u"sessions"_s, tr("Sessions"), new SessionLibraryView(this));
    addPanel(u"log"_s, tr("Log"), new LogView(m_bridge, this));
    // The workspace gives its panels their snapshots.
    for (auto* view : std::initializer_list<ExportableView*>{&m_comparison->lanes(), &m_comparison->metrics(),
                                                             &m_comparison->forks()})
        m_exportable.push_back(view);
    m_panels.emplace_back(u"lanes"_s, new PanelDock(u"dock_lanes"_s, tr("Lanes"), &m_comparison->lanes(), this));
    m_panels.emplace_back(u"metrics"_s,
                          new PanelDock(u"dock_metrics"_s, tr("Metrics"), &m_comparison->metrics(), this));
    auto* forks = new QScrollArea(this);
    forks->setWidget(&m_comparison->forks());
    forks->setWidgetResizable(true);
    forks->setFrameShape(QFrame::NoFrame);
    forks->setFocusProxy(&m_comparison->forks());
    m_panels.emplace_back(u"forks"_s, new PanelDock(u"dock_forks"_s, tr("Forks"), forks, this));
    panel(u"forks"_s)->setSubtitle(tr("shared tokens are stored once"));
    connect(m_comparison, &ComparisonWorkspace::captionChanged, panel(u"lanes"_s), &PanelDock::setSubtitle);
    connect(m_comparison, &ComparisonWorkspace::forksShown, this, [this](bool there) {
        if (m_workspace == Workspace::kCompare) panel(u"forks"_s)->setVisible(there);
    });
}

void MainWindow::makeTokenActions() {
    m_what_if = new WhatIf(
        m_workbench, m_selection, *m_comparison, [this] { return m_workspace == Workspace::kCompare; }, this);
    for (QAction* action : {&m_what_if->forkAction(), &m_what_if->measureAction()}) {
        for (QWidget* view : std::initializer_list<QWidget*>{m_heatmap, m_chat, m_strip, &m_comparison->lanes()})
            view->addAction(action);
        m_inspector->addTokenAction(*action);
    }
    auto* attribution = addPanel(u"attribution"_s, tr("Expert attribution"),
                                 new AttributionView(m_selection, m_what_if->measureAction(), this));
    m_exportable.push_back(&attribution->map());
    connect(attribution, &AttributionView::stopAsked, this, [this] { m_workbench.stop(); });
    connect(m_what_if, &WhatIf::measuring, this, [this] { showPanel(u"attribution"_s); });
    connect(m_what_if, &WhatIf::forked, this, [this](bool in_comparison) {
        setWorkspace(Workspace::kCompare);
        if (!in_comparison) m_comparison->showNewestForks();
    });
}

void MainWindow::connectControls() {
    ModelPicker& picker = m_controls->modelPicker();
    connect(&picker, &ModelPicker::demoChosen, this, [this] { openModel(u"demo"_s); });
    connect(&picker, &ModelPicker::directoryChosen, this, &MainWindow::openModel);
    connect(&picker, &ModelPicker::browseChosen, this, &MainWindow::browseModel);
    connect(m_start, &StartPage::demoChosen, this, [this] { openModel(u"demo"_s); });
    connect(m_start, &StartPage::browseChosen, this, &MainWindow::browseModel);
    connect(m_start, &StartPage::sessionAsked, this, &MainWindow::openSession);
    connectSessions();
    connect(m_recording, &RecordingPlayback::leaveAsked, this, &MainWindow::leaveRecording);
    connect(m_start, &StartPage::exportAsked, this, &MainWindow::exportSession);
    connect(m_start, &StartPage::imageAsked, this, &MainWindow::exportSessionImage);
    connect(m_error, &ErrorPage::openAgain, this, [this] {
        if (m_recording->isOpen()) {
            openSession(m_asked_session);
        } else {
            openModel(m_asked_model);
        }
    });
    connect(m_error, &ErrorPage::openAnother, this, [this] {
        if (m_recording->isOpen()) {
            browseSession();
        } else {
            browseModel();
        }
    });
    connect(m_error, &ErrorPage::useDemo, this, [this] { openModel(u"demo"_s); });
    connect(m_error, &ErrorPage::backAsked, this, [this] {
        if (m_recording->isOpen()) return leaveRecording();
        m_error_dismissed = true;
        showPage(*m_bridge.latest());
    });

    connect(&m_controls->modeSwitch(), &ModeSwitch::modeChosen, this,
            [this](ThinkingMode mode) { changeSettings([mode](LaneSettings& settings) { settings.mode = mode; }); });
    BudgetControl& budget = m_controls->budget();
    connect(&budget, &BudgetControl::budgetSet, this, [this](std::int32_t tokens) {
        changeSettings([tokens](LaneSettings& settings) { settings.budget = tokens; });
    });
    connect(&budget, &BudgetControl::answerNow, this, [this] { m_workbench.answerNow(); });
    PolicyPicker& policy = m_controls->policyPicker();
    connect(&policy, &PolicyPicker::policySet, this, [this, &policy](const QString& text) {
        const auto refusal = changeSettings([&](LaneSettings& settings) { settings.policy = text.toStdString(); });
        if (!refusal) {
            if (m_workbench.snapshot()->policy_waits.has_value())
                m_status->showMessage(tr("This policy waits for the next conversation (Ctrl+N)"), true);
            return;
        }
        policy.showPolicy(QString::fromStdString(m_workbench.settings().policy));
        policy.showRefusal(*refusal);
    });
    connect(&policy, &PolicyPicker::policyChosen, this, [this, &policy](const QString& text) {
        m_settings.addRecentPolicy(text);
        policy.setRecent(m_settings.recentPolicies());
    });
    connect(&m_controls->recordButton(), &QToolButton::clicked, this,
            [this](bool on) { m_workbench.setRecording(on); });

    connect(m_composer, &Composer::sent, this, [this](const QString& text) {
        m_chat->showNewest();
        m_workbench.send(text.toStdString());
    });
    connect(m_composer, &Composer::stopped, this, [this] { m_workbench.stop(); });
    connect(m_status, &StatusLine::panelAsked, this, &MainWindow::showPanel);
}

void MainWindow::openModel(const QString& model) {
    if (model.isEmpty()) return;
    leaveRecording();
    m_asked_model = model;
    m_error_dismissed = false;
    m_controls->modelPicker().showLoading(QFileInfo(model).fileName());
    m_workbench.openModel(model.toStdString());
}

std::optional<ErrorParts> MainWindow::changeSettings(const std::function<void(LaneSettings&)>& change) {
    LaneSettings settings = m_workbench.settings();
    change(settings);
    return m_workbench.setSettings(settings);
}

void MainWindow::syncSettings() {
    const LaneSettings& settings = m_bridge.latest()->settings;
    m_controls->modeSwitch().showMode(settings.mode);
    m_controls->budget().showBudget(settings.budget);
    m_controls->policyPicker().showPolicy(QString::fromStdString(settings.policy));
}

void MainWindow::takeSnapshot(const SnapshotPointer& snapshot) {
    const bool new_model = snapshot->model != m_shown_model;
    m_shown_model = snapshot->model;
    m_controls->showSnapshot(*snapshot);
    if (new_model && snapshot->model != nullptr) {
        syncSettings();
        m_undo.clear();
        const QString directory = QString::fromStdString(snapshot->model->directory);
        if (!snapshot->recorded && !directory.isEmpty() && m_asked_model != u"demo"_s) {
            m_settings.addRecentModel(directory);
            m_controls->modelPicker().setRecent(m_settings.recentModels());
        }
    }
    if (snapshot->recorded) syncSettings();  // those at the cursor
    noteRecorders(*snapshot);
    showRecording(snapshot);
    if (const LaneSnapshot* lane = findLane(snapshot, m_selection.lane())) {
        m_selection.limitTo(lane->history.tokenCount(), lane->history.shape().moe_layers,
                            lane->history.shape().experts);
    }
    for (const auto& listener : m_listeners) listener(snapshot);
    m_comparison->takeSnapshot(snapshot);
    m_what_if->takeSnapshot(snapshot);
    m_continuation->takeSnapshot(snapshot);

    const bool generating = snapshot->state == WorkbenchState::kGenerating;
    m_composer->setGenerating(generating);
    m_composer->setDisabledReason(snapshot->recorded           ? tr("A recording: go on from here to chat (Ctrl+G)")
                                  : snapshot->model == nullptr ? tr("Open a model first")
                                                               : QString());
    m_answer_now->setEnabled(m_controls->budget().answerNowButton().isEnabled());
    const QString file = QFileInfo(QString::fromStdString(snapshot->recorder.file.string())).fileName();
    panel(u"chat"_s)->setSubtitle(file);
    showPage(*snapshot);
    // By the file and its turns, not by the state: a small model answers between two snapshots.
    const std::size_t turns = snapshot->lanes.empty() ? 0 : snapshot->lanes.front().turns.size();
    if (std::pair listed{snapshot->recorder.file, turns}; !generating && !snapshot->recorded && listed != m_listed) {
        m_listed = std::move(listed);
        refreshSessions();
    }
}

void MainWindow::showPage(const WorkbenchSnapshot& snapshot) {
    QWidget* page = m_chat_page;
    const bool failed = snapshot.load_error.has_value() && !m_error_dismissed;
    if (snapshot.state == WorkbenchState::kLoading && snapshot.model == nullptr) {
        page = m_start;
        const QString name = QFileInfo(m_asked_model).fileName();
        m_start->showLoading(name, snapshot.log.empty() ? QString() : format::plainText(snapshot.log.back()));
    } else if (failed && snapshot.state != WorkbenchState::kLoading) {
        page = m_error;
        if (snapshot.recorded) {
            m_error->showSessionError(*snapshot.load_error, m_asked_session);
        } else {
            m_error->showError(*snapshot.load_error, m_asked_model, snapshot.model != nullptr);
        }
    } else if (snapshot.model == nullptr) {
        page = m_start;
        m_start->showLoading({}, {});
    }
    if (page == m_page) return;
    // Only the chat has a page for what went wrong.
    if (page == m_error && m_workspace != Workspace::kChat) setWorkspace(Workspace::kChat);
    keepLayout();
    m_page = page;
    m_pages->setCurrentIndex(page == m_start ? 0 : page == m_error ? 1 : 2);
    panel(u"chat"_s)->setTitleVisible(page == m_chat_page);
    if (m_workspace != Workspace::kChat) {
        return;
    } else if (page == m_chat_page) {
        chatControl()->setFocus();
    } else {
        page->setFocus();
    }
    if (m_arranged) bringBackLayout();
}

void MainWindow::stopOrClear() {
    if (m_workspace == Workspace::kCompare) {
        m_comparison->stopOrClear();
    } else if (m_workspace == Workspace::kExperiments) {
        m_experiments->selection().setCell(std::nullopt);
    } else if (const WorkbenchState state = m_bridge.latest()->state;
               state == WorkbenchState::kGenerating || state == WorkbenchState::kAttributing) {
        m_workbench.stop();
    } else {
        m_selection.clear();
    }
}

std::vector<ExportableView*> MainWindow::exportableViews() const {
    return m_exportable;
}

ExportableView* MainWindow::findView(const QString& name) const {
    for (ExportableView* view : m_exportable) {
        if (view->viewName() == name) return view;
    }
    return nullptr;
}

void MainWindow::closeEvent(QCloseEvent* event) {
    keepLayout();
    m_settings.setGeometry(saveGeometry());
    for (std::size_t i = 0; i < m_layouts.size(); ++i) m_settings.setLayout(static_cast<int>(i), m_layouts[i]);
    m_settings.setComparisonLayout(m_comparison_layout);
    m_settings.setExperimentLayout(m_experiment_layout);
    m_workbench.stop();
    event->accept();
}

}  // namespace mixoscope
