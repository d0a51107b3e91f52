#include "app/window/experiment_workspace.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QSaveFile>
#include <QToolBar>
#include <utility>

#include "app/window/experiment_bar.h"
#include "views/accuracy_budget_chart.h"
#include "views/accuracy_cost_chart.h"
#include "views/accuracy_map.h"
#include "views/background.h"
#include "views/batch_speed_chart.h"
#include "views/experiment_editor.h"
#include "views/experiment_progress.h"
#include "views/experiment_report.h"
#include "views/experiment_results_view.h"
#include "views/experiment_runs_view.h"
#include "views/experiment_start.h"
#include "views/experiment_status.h"
#include "views/format.h"
#include "views/think_distribution.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr std::int64_t kNewItems = 50;
constexpr std::int32_t kNewTokens = 400;

/// Beside the folder of the sessions.
std::filesystem::path experimentDirectory(const WorkbenchOptions& options) {
    return options.session_directory.empty() ? std::filesystem::path()
                                             : options.session_directory.parent_path() / "experiments";
}

}  // namespace

bool isExperimentFile(const QString& path) {
    return path.endsWith(u".json"_s, Qt::CaseInsensitive) && !QFileInfo(path).isDir();
}

ExperimentWorkspace::ExperimentWorkspace(const WorkbenchOptions& options, QWidget* window)
    : QObject(window),
      m_window(window),
      m_resources(options.demo_directory.parent_path()),
      m_latest(std::make_shared<ExperimentSnapshot>()),
      m_bar(new ExperimentBar(m_selection, window)),
      m_progress_bar(new QToolBar(tr("Progress of the experiment"), window)),
      m_progress(new ExperimentProgress(m_progress_bar)),
      m_status(new ExperimentStatus(window)),
      m_start(new ExperimentStart(window)),
      m_budget_chart(new AccuracyBudgetChart(m_selection, window)),
      m_cost_chart(new AccuracyCostChart(m_selection, window)),
      m_batch_chart(new BatchSpeedChart(m_selection, window)),
      m_map(new AccuracyMap(m_selection, window)),
      m_distribution(new ThinkDistribution(m_selection, window)),
      m_results(new ExperimentResultsView(m_selection, window)),
      m_runs(new ExperimentRunsView(m_selection, window)),
      m_editor(new ExperimentEditor(window)),
      m_runner(std::make_unique<ExperimentRunner>(options, experimentDirectory(options))) {
    m_progress_bar->setObjectName(u"experiment_progress_bar"_s);
    m_progress_bar->setMovable(false);
    m_progress_bar->setContextMenuPolicy(Qt::PreventContextMenu);
    m_progress->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_progress_bar->addWidget(m_progress);
    connectParts();
    connectEditor();
    fillMenu();
    // The runner ends before anything that a wake-up could reach.
    m_runner->setWake([this] {
        QMetaObject::invokeMethod(
            this, [this] { takeSnapshot(); }, Qt::QueuedConnection);
    });
}

ExperimentWorkspace::~ExperimentWorkspace() {
    m_runner.reset();
}

void ExperimentWorkspace::connectParts() {
    connect(m_progress, &ExperimentProgress::runAsked, this, [this] { m_runner->run(); });
    connect(m_progress, &ExperimentProgress::pauseAsked, this, [this] { m_runner->pause(); });
    connect(m_progress, &ExperimentProgress::stopAsked, this, &ExperimentWorkspace::stop);
    connect(m_bar, &ExperimentBar::csvAsked, this, &ExperimentWorkspace::exportCsv);
    connect(m_bar, &ExperimentBar::reportAsked, this, &ExperimentWorkspace::exportReport);
    connect(m_start, &ExperimentStart::demoAsked, this, &ExperimentWorkspace::openDemo);
    connect(m_start, &ExperimentStart::browseAsked, this, &ExperimentWorkspace::browse);
    connect(m_start, &ExperimentStart::newAsked, this, &ExperimentWorkspace::openNew);
    connect(m_bar, &ExperimentBar::editAsked, this, &ExperimentWorkspace::editorAsked);
    connect(m_start, &ExperimentStart::fileAsked, this, [this](const QString& file) { open(file); });
    for (ExperimentChart* chart :
         std::initializer_list<ExperimentChart*>{m_budget_chart, m_cost_chart, m_batch_chart, m_map, m_distribution})
        connect(chart, &ExperimentChart::runsAsked, this, &ExperimentWorkspace::runsAsked);
    connect(m_results, &ExperimentResultsView::runsAsked, this, &ExperimentWorkspace::runsAsked);
    connect(m_runs, &ExperimentRunsView::askAsked, this, &ExperimentWorkspace::ask);
}

void ExperimentWorkspace::connectEditor() {
    QStringList files;
    const QDir sets(QString::fromStdString((m_resources / "demo" / "eval").string()));
    for (const QString& name : sets.entryList({u"*.jsonl"_s}, QDir::Files, QDir::Name)) files << sets.filePath(name);
    m_editor->setTaskFiles(files);
    connect(m_editor, &ExperimentEditor::useAsked, this, &ExperimentWorkspace::openWritten);
    connect(m_editor, &ExperimentEditor::saveAsked, this, &ExperimentWorkspace::save);
}

void ExperimentWorkspace::openWritten(const Experiment& experiment) {
    if (!mayOpen()) return;
    m_from_file = false;
    m_runner->open(experiment, experiment.name + ".json");
}

void ExperimentWorkspace::save(const Experiment& experiment) {
    const QString path =
        QFileDialog::getSaveFileName(m_window, tr("Save the experiment"),
                                     QString::fromStdString(experiment.name + ".json"), tr("Experiments (*.json)"));
    if (path.isEmpty()) return;
    QSaveFile file(path);
    const QByteArray text = QByteArray::fromStdString(experimentJson(experiment)) + '\n';
    const bool saved = file.open(QIODevice::WriteOnly) && file.write(text) == text.size() && file.commit();
    m_status->showMessage(
        saved ? tr("Saved %1").arg(path) : tr("%1 cannot be written: %2").arg(path, file.errorString()), !saved);
    if (saved) Q_EMIT opened(path);
}

void ExperimentWorkspace::openNew() {
    if (!mayOpen()) return;
    const std::filesystem::path sums = m_resources / "demo" / "eval" / "sums.jsonl";
    Experiment experiment;
    experiment.name = "experiment";
    ExperimentTask task;
    task.name = "sums";
    task.file = std::filesystem::absolute(sums).lexically_normal();
    task.limit = kNewItems;
    experiment.tasks.push_back(std::move(task));
    experiment.policies = {"model", "top-k:k=2"};
    experiment.soft_switch = true;
    experiment.max_tokens = kNewTokens;
    m_editor->forget();
    openWritten(experiment);
    Q_EMIT editorAsked();
}

bool ExperimentWorkspace::mayOpen() {
    m_run_when_open = false;
    m_reported.clear();
    if (m_latest->isRunning())
        m_status->showMessage(tr("An experiment runs; stop it before another one is opened"), true);
    return !m_latest->isRunning();
}

std::vector<ExportableView*> ExperimentWorkspace::exportableViews() const {
    return {m_budget_chart, m_cost_chart, m_batch_chart, m_map, m_distribution, m_results, m_runs};
}

void ExperimentWorkspace::fillMenu() {
    QMenu& menu = m_bar->openMenu();
    menu.clear();
    menu.setToolTipsVisible(true);
    menu.addAction(tr("The demo's experiment"), this, [this] { openDemo(); })
        ->setToolTip(tr("Run sums on the embedded model"));
    menu.addAction(tr("New experiment"), this, [this] { openNew(); })
        ->setToolTip(tr("Begin an experiment of your own in the form"));
    menu.addAction(tr("Open an experiment…"), this, [this] { browse(); })
        ->setToolTip(tr("Open an experiment file (JSON) or the results of one (.mixo)"));
    if (m_recent.isEmpty()) return;
    menu.addSeparator();
    for (const QString& file : m_recent)
        menu.addAction(QFileInfo(file).fileName(), this, [this, file] { open(file); })->setToolTip(file);
}

void ExperimentWorkspace::setRecent(const QStringList& files) {
    m_recent = files;
    m_start->setRecent(files);
    fillMenu();
}

void ExperimentWorkspace::open(const QString& file, bool run) {
    if (file.isEmpty() || !mayOpen()) return;
    m_run_when_open = run;
    m_from_file = true;
    m_editor->forget();
    m_runner->open(std::filesystem::path(file.toStdString()));
}

void ExperimentWorkspace::takeFocus() {
    if (isOpen()) {
        m_results->setFocus();
    } else {
        m_start->setFocus();
    }
}

void ExperimentWorkspace::browse() {
    const QString from = m_recent.isEmpty() ? QString() : QFileInfo(m_recent.front()).absolutePath();
    open(QFileDialog::getOpenFileName(m_window, tr("Open an experiment"), from,
                                      tr("Experiments and their results (*.json *.mixo)")));
}

QString ExperimentWorkspace::demoFile() const {
    const QString file = QString::fromStdString((m_resources / "experiments" / "demo-budget.json").string());
    return QFileInfo::exists(file) ? file : QString();
}

void ExperimentWorkspace::openDemo() {
    const QString file = demoFile();
    if (file.isEmpty()) return m_status->showMessage(tr("The demo's experiment is not among the resources"), true);
    open(file, true);
}

void ExperimentWorkspace::toggleRun() {
    if (m_latest->state == ExperimentState::kRunning) return m_runner->pause();
    if (!m_progress->runDisabledReason().isEmpty()) return m_status->showMessage(m_progress->runDisabledReason(), true);
    m_runner->run();
}

void ExperimentWorkspace::stop() {
    m_runner->stop();
}

void ExperimentWorkspace::takeSnapshot() {
    const bool was_open = m_open;
    m_latest = m_runner->snapshot();
    const ExperimentSnapshot& now = *m_latest;
    // While another one is being opened the panels stay.
    m_open = now.frame != nullptr || (m_open && now.state == ExperimentState::kOpening);
    m_selection.setExperiment(m_latest);
    m_editor->setExperiment(m_latest);
    m_progress->showExperiment(now);
    m_status->showExperiment(now);
    const QString file = QString::fromStdString(now.file.string());
    m_start->showOpening(now.state == ExperimentState::kOpening ? file : QString());
    m_start->showError(now.frame == nullptr ? now.error : std::nullopt, file);
    if (was_open != m_open) Q_EMIT openChanged(m_open);
    Q_EMIT changed();
    if (now.state != ExperimentState::kReady || m_reported == file) return;
    m_reported = file;
    if (!now.error && m_from_file) Q_EMIT opened(file);
    const bool run = std::exchange(m_run_when_open, false);
    if (run && !now.unusable && !now.error && !now.isComplete()) m_runner->run();
}

void ExperimentWorkspace::copySelection() const {
    QApplication::clipboard()->setText(m_results->selectedText());
}

void ExperimentWorkspace::exportCsv() {
    const QString directory = QFileDialog::getExistingDirectory(m_window, tr("Folder for the CSV files"));
    if (directory.isEmpty()) return;
    tellWhenDone(m_status, tr("results.csv, runs.csv and task_load.csv written to %1").arg(directory),
                 [experiment = m_latest, directory] {
                     const auto forRuns = [&](const auto& visit) {
                         for (const auto& cell : experiment->runs) {
                             if (cell == nullptr) continue;
                             for (const RunResult& run : *cell) visit(run);
                         }
                     };
                     exportResults(*experiment->frame, experiment->results, experiment->task_loads, forRuns,
                                   std::filesystem::path(directory.toStdString()));
                 });
}

void ExperimentWorkspace::exportReport() {
    const QString name = QString::fromStdString(m_latest->frame->experiment.name) + u".html"_s;
    const QString path =
        QFileDialog::getSaveFileName(m_window, tr("Export a report"), name, tr("Web page (*.html *.htm)"));
    if (path.isEmpty()) return;
    tellWhenDone(m_status, tr("Report written to %1").arg(path),
                 [report = experimentReport(m_latest, QDateTime::currentDateTimeUtc()), path, store = m_latest->store] {
                     saveReport(report, path.toStdString(), store);
                 });
}

void ExperimentWorkspace::ask(std::size_t cell, std::size_t item) {
    const ExperimentFrame& frame = *m_latest->frame;
    const ExperimentCell& choice = frame.cells[cell];
    const TaskItem* asked = frame.item(choice, item);
    if (asked == nullptr || m_latest->settings == nullptr) return;
    Q_EMIT questionAsked(QString::fromStdString(experimentPrompt(frame.experiment, choice, asked->prompt)),
                         (*m_latest->settings)[cell]);
}

}  // namespace mixoscope
