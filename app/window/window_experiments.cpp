// Experiments in the window: their panels, menu and layout, and the way from a run to a turn of the chat.
#include <QMenu>
#include <QMenuBar>
#include <QToolBar>
#include <algorithm>

#include "app/window/control_bar.h"
#include "app/window/experiment_workspace.h"
#include "app/window/main_window.h"
#include "app/window/panel_dock.h"
#include "views/accuracy_budget_chart.h"
#include "views/accuracy_cost_chart.h"
#include "views/accuracy_map.h"
#include "views/batch_speed_chart.h"
#include "views/budget_control.h"
#include "views/experiment_editor.h"
#include "views/experiment_results_view.h"
#include "views/experiment_runs_view.h"
#include "views/experiment_start.h"
#include "views/mode_switch.h"
#include "views/policy_picker.h"
#include "views/think_distribution.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr int kUpperShare = 55;  // per cent of the height, for the charts above map and table
constexpr int kEditorWidth = 330;
constexpr int kEditorFrom = 1300;  // width of a window that has room for the form beside the charts

void MainWindow::makeExperimentPanels() {
    const auto add = [this](const QString& name, const QString& title, QWidget* view) {
        m_panels.emplace_back(name, new PanelDock(u"dock_"_s + name, title, view, this));
    };
    ExperimentWorkspace& e = *m_experiments;
    add(u"experiment_start"_s, tr("Experiments"), &e.start());
    panel(u"experiment_start"_s)->setTitleVisible(false);
    add(u"experiment_editor"_s, tr("Experiment"), &e.editor());
    add(u"experiment_budget"_s, tr("Accuracy against budget"), &e.budgetChart());
    add(u"experiment_lengths"_s, tr("Think length"), &e.distribution());
    add(u"experiment_speed"_s, tr("Accuracy against speed"), &e.costChart());
    add(u"experiment_batches"_s, tr("Speed against batch size"), &e.batchChart());
    add(u"experiment_map"_s, tr("Accuracy, policy × budget"), &e.map());
    add(u"experiment_results"_s, tr("Results"), &e.results());
    add(u"experiment_runs"_s, tr("Runs"), &e.runs());
    panel(u"experiment_budget"_s)->setSubtitle(tr("with Wilson's 95 % intervals; hollow marks are not finished"));
    panel(u"experiment_lengths"_s)->setSubtitle(tr("share of runs that thought no longer"));
    panel(u"experiment_speed"_s)->setSubtitle(tr("a point a policy and budget"));
    panel(u"experiment_batches"_s)->setSubtitle(tr("with what eight of ten runs met"));
    panel(u"experiment_map"_s)->setSubtitle(tr("share of right answers; hatched: nothing yet"));
    for (ExportableView* view : e.exportableViews()) m_exportable.push_back(view);
}

void MainWindow::makeExperimentMenu() {
    QMenu& menu = *menuBar()->addMenu(tr("E&xperiment"));
    // Each of them shows the workspace that it acts in.
    const auto add = [&](const QString& name, const QString& text, const QString& tip, const QKeySequence& key,
                         void (ExperimentWorkspace::*act)()) {
        return addAction(menu, name, text, tip, key, [this, act] {
            setWorkspace(Workspace::kExperiments);
            (m_experiments->*act)();
        });
    };
    add(u"experiment_demo"_s, tr("Run the demo's experiment"), tr("Run sums on the embedded model; takes seconds"), {},
        &ExperimentWorkspace::openDemo);
    add(u"experiment_new"_s, tr("New experiment"), tr("Begin an experiment of your own in the form"), {},
        &ExperimentWorkspace::openNew);
    add(u"experiment_open"_s, tr("Open an experiment…"), tr("Open an experiment file (JSON) or the results of one"),
        QKeySequence(u"Ctrl+Shift+X"_s), &ExperimentWorkspace::browse);
    menu.addSeparator();
    add(u"experiment_run"_s, tr("Run, go on or pause"), tr("Run what is missing; while it runs, pause"),
        QKeySequence(Qt::Key_F5), &ExperimentWorkspace::toggleRun);
    add(u"experiment_stop"_s, tr("Stop"), tr("Stop at once; what has finished is kept"), QKeySequence(u"Shift+F5"_s),
        &ExperimentWorkspace::stop);
    menu.addSeparator();
    QAction* csv = add(u"experiment_csv"_s, tr("Export the results as CSV…"),
                       tr("Write results.csv, runs.csv and task_load.csv"), {}, &ExperimentWorkspace::exportCsv);
    QAction* report =
        add(u"experiment_report"_s, tr("Export a report (HTML)…"),
            tr("Write tables, charts and settings as one HTML file"), {}, &ExperimentWorkspace::exportReport);
    connect(&menu, &QMenu::aboutToShow, csv, [this, csv, report] {
        for (QAction* action : {csv, report}) action->setEnabled(m_experiments->latest()->done > 0);
    });
}

void MainWindow::connectExperiments() {
    m_experiments->setRecent(m_settings.recentExperiments());
    connect(m_experiments, &ExperimentWorkspace::openChanged, this, [this] {
        if (m_workspace != Workspace::kExperiments || !m_arranged) return;
        arrangeExperiments();
        bringBackLayout();
        if (m_show_editor && m_experiments->isOpen()) panel(u"experiment_editor"_s)->show();
        showWorkspaceParts();
        m_experiments->takeFocus();
    });
    connect(m_experiments, &ExperimentWorkspace::editorAsked, this, [this] {
        m_show_editor = true;
        if (m_experiments->isOpen()) showPanel(u"experiment_editor"_s);
    });
    connect(m_experiments, &ExperimentWorkspace::runsAsked, this, [this] {
        // The focus stays where it was clicked.
        PanelDock* runs = panel(u"experiment_runs"_s);
        runs->show();
        runs->raise();
    });
    connect(m_experiments, &ExperimentWorkspace::opened, this, [this](const QString& file) {
        m_settings.addRecentExperiment(file);
        m_experiments->setRecent(m_settings.recentExperiments());
    });
    connect(m_experiments, &ExperimentWorkspace::questionAsked, this, &MainWindow::askInChat);
    connect(m_experiments, &ExperimentWorkspace::changed, this, &MainWindow::updateAsking);
    connect(&m_bridge, &WorkbenchBridge::snapshotChanged, this, &MainWindow::updateAsking);
    updateAsking();
}

void MainWindow::openExperiment(const QString& file) {
    setWorkspace(Workspace::kExperiments);
    m_experiments->open(file);
}

void MainWindow::updateAsking() {
    const WorkbenchSnapshot& chat = *m_bridge.latest();
    const ExperimentSnapshot& experiment = *m_experiments->latest();
    const auto cell = m_experiments->selection().cell();
    QString reason;
    if (experiment.settings == nullptr || experiment.model == nullptr) {
        reason = tr("The model of these results is not open");
    } else if (experiment.isRunning()) {
        reason = tr("The experiment runs; stop it or wait for it, so that its times stay true");
    } else if (chat.recorded) {
        reason = tr("A recording is shown; go back to the live chat first (Ctrl+W)");
    } else if (chat.model == nullptr || chat.model->directory != experiment.model->directory) {
        reason =
            tr("Open the experiment's model in the chat first: %1").arg(QString::fromStdString(experiment.model->name));
    } else if (chat.state != WorkbenchState::kReady) {
        reason = tr("The chat is busy; stop it or wait for it");
    } else if (cell && *cell < experiment.results.size() &&
               std::ranges::any_of(experiment.frame->cellsOf(*cell), [&](std::size_t asked) {
                   return experiment.frame->experiment.tasks[experiment.frame->cells[asked].task].system !=
                          m_settings.systemPrompt().toStdString();
               })) {
        reason = tr("The task has another system prompt than the chat (Ctrl+,)");
    }
    m_experiments->runs().setAskDisabledReason(reason);
}

void MainWindow::askInChat(const QString& question, const LaneSettings& settings) {
    setWorkspace(Workspace::kChat);
    m_selection.clear();
    m_workbench.newConversation();
    if (changeSettings([&](LaneSettings& chat) { chat = settings; })) return;
    m_controls->modeSwitch().showMode(settings.mode);
    m_controls->budget().showBudget(settings.budget);
    m_controls->policyPicker().showPolicy(QString::fromStdString(settings.policy));
    m_workbench.send(question.toStdString());
}

void MainWindow::arrangeExperiments() {
    for (const auto& [name, dock] : m_panels) {
        removeDockWidget(dock);
        dock->setFloating(false);
    }
    PanelDock* start = panel(u"experiment_start"_s);
    if (!m_experiments->isOpen()) {
        addDockWidget(Qt::LeftDockWidgetArea, start);
        start->show();
        return;
    }
    start->hide();
    PanelDock* editor = panel(u"experiment_editor"_s);
    PanelDock* budget = panel(u"experiment_budget"_s);
    PanelDock* lengths = panel(u"experiment_lengths"_s);
    PanelDock* speed = panel(u"experiment_speed"_s);
    PanelDock* batches = panel(u"experiment_batches"_s);
    PanelDock* map = panel(u"experiment_map"_s);
    PanelDock* results = panel(u"experiment_results"_s);
    PanelDock* runs = panel(u"experiment_runs"_s);
    addDockWidget(Qt::LeftDockWidgetArea, editor);
    splitDockWidget(editor, budget, Qt::Horizontal);
    splitDockWidget(budget, map, Qt::Vertical);
    splitDockWidget(budget, speed, Qt::Horizontal);
    splitDockWidget(map, results, Qt::Horizontal);
    tabifyDockWidget(budget, lengths);
    tabifyDockWidget(speed, batches);
    tabifyDockWidget(results, runs);
    for (PanelDock* dock : {budget, lengths, speed, batches, map, results, runs}) dock->show();
    editor->setVisible(m_show_editor || width() >= kEditorFrom);
    budget->raise();
    speed->raise();
    results->raise();
    resizeDocks({budget, map}, {height() * kUpperShare / 100, height() * (100 - kUpperShare) / 100}, Qt::Vertical);
    const int form = editor->isVisibleTo(this) ? kEditorWidth : 0;
    const int half = (width() - form) / 2;
    if (form > 0) resizeDocks({editor}, {form}, Qt::Horizontal);
    resizeDocks({budget, speed}, {half, half}, Qt::Horizontal);
    resizeDocks({map, results}, {half, half}, Qt::Horizontal);
    nameTabBars();
}

}  // namespace mixoscope
