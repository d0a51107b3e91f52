// The experiments' workspace: its bars, panels and status, and what they ask of the runner.
#pragma once

#include <QObject>
#include <functional>
#include <memory>
#include <vector>

#include "sessions/experiment_runner.h"
#include "views/experiment_selection.h"

class QToolBar;

namespace mixoscope {

class AccuracyBudgetChart;
class AccuracyCostChart;
class AccuracyMap;
class BatchSpeedChart;
class ExperimentBar;
class ExperimentEditor;
class ExperimentProgress;
class ExperimentResultsView;
class ExperimentRunsView;
class ExperimentStart;
class ExperimentStatus;
class ExportableView;
class ThinkDistribution;

/// By its name: an experiment file.
bool isExperimentFile(const QString& path);

class ExperimentWorkspace : public QObject {
    Q_OBJECT

public:
    /// `options` are the workbench's: model, back end, threads. `window` is the parent of all widgets and dialogs.
    ExperimentWorkspace(const WorkbenchOptions& options, QWidget* window);
    ~ExperimentWorkspace() override;

    ExperimentBar& bar() { return *m_bar; }
    QToolBar& progressBar() { return *m_progress_bar; }
    ExperimentStatus& status() { return *m_status; }
    ExperimentStart& start() { return *m_start; }
    AccuracyBudgetChart& budgetChart() { return *m_budget_chart; }
    AccuracyCostChart& costChart() { return *m_cost_chart; }
    BatchSpeedChart& batchChart() { return *m_batch_chart; }
    AccuracyMap& map() { return *m_map; }
    ThinkDistribution& distribution() { return *m_distribution; }
    ExperimentResultsView& results() { return *m_results; }
    ExperimentRunsView& runs() { return *m_runs; }
    ExperimentEditor& editor() { return *m_editor; }
    std::vector<ExportableView*> exportableViews() const;
    ExperimentSelection& selection() { return m_selection; }
    ExperimentRunner& runner() { return *m_runner; }
    const ExperimentPointer& latest() const { return m_latest; }
    /// Whether there is an experiment to show; else the start page is.
    bool isOpen() const { return m_open; }

    /// Where one goes on: the start page, or the results.
    void takeFocus();
    /// An experiment file or results; returns at once. Refused, with a message, while one runs.
    void open(const QString& file, bool run = false);
    void browse();
    /// What the embedded model's experiment is; empty: it is not there.
    QString demoFile() const;
    void openDemo();
    /// One to begin with, for the editor.
    void openNew();
    /// Starts, goes on or holds.
    void toggleRun();
    void stop();
    void setRecent(const QStringList& files);
    void copySelection() const;
    void exportCsv();
    void exportReport();

Q_SIGNALS:
    /// There is an experiment to show now, or none any more.
    void openChanged(bool open);
    /// Somebody wants to see the runs of the selected cell.
    void runsAsked();
    /// The form is to be shown.
    void editorAsked();
    /// For dock titles.
    void captionChanged(const QString& caption);
    /// One that could be opened: for the list of recent ones.
    void opened(const QString& file);
    /// A run is to be a turn of the chat: the same question under the same settings has the same tokens.
    void questionAsked(const QString& question, const mixoscope::LaneSettings& settings);
    /// There is other news than those above.
    void changed();

private:
    void connectParts();
    void connectEditor();
    /// Says so while one runs.
    bool mayOpen();
    /// One that no file holds yet.
    void openWritten(const Experiment& experiment);
    void save(const Experiment& experiment);
    void fillMenu();
    void takeSnapshot();
    void ask(std::size_t cell, std::size_t item);

    QWidget* m_window;
    std::filesystem::path m_resources;
    ExperimentSelection m_selection;
    ExperimentPointer m_latest;
    bool m_open = false;
    bool m_from_file = false;  // what was opened last
    bool m_run_when_open = false;
    QString m_reported;  // as opened
    QStringList m_recent;
    ExperimentBar* m_bar;
    QToolBar* m_progress_bar;
    ExperimentProgress* m_progress;
    ExperimentStatus* m_status;
    ExperimentStart* m_start;
    AccuracyBudgetChart* m_budget_chart;
    AccuracyCostChart* m_cost_chart;
    BatchSpeedChart* m_batch_chart;
    AccuracyMap* m_map;
    ThinkDistribution* m_distribution;
    ExperimentResultsView* m_results;
    ExperimentRunsView* m_runs;
    ExperimentEditor* m_editor;
    std::unique_ptr<ExperimentRunner> m_runner;
};

}  // namespace mixoscope
