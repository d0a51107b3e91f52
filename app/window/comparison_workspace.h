// The compare workspace: its bar, panels, editor and status, and what they ask of the workbench.
#pragma once

#include <QObject>
#include <functional>

#include "sessions/comparison_snapshot.h"
#include "views/bridge.h"
#include "views/selection.h"

class QMenu;

namespace mixoscope {

class ComparisonBar;
class ComparisonStatus;
class ForkTree;
class LaneEditor;
class LanesView;
class MetricsView;

class ComparisonWorkspace : public QObject {
    Q_OBJECT

public:
    /// `window` is the parent of all widgets and dialogs. `system_prompt` gives the one that is set.
    ComparisonWorkspace(Workbench& workbench, std::function<QString()> system_prompt, QWidget* window);

    ComparisonBar& bar() { return *m_bar; }
    LanesView& lanes() { return *m_lanes; }
    MetricsView& metrics() { return *m_metrics; }
    ComparisonStatus& status() { return *m_status; }
    ForkTree& forks() { return *m_forks; }
    Selection& selection() { return m_selection; }
    /// Shows the conversation's newest turn beside its forks, as soon as there are any.
    void showNewestForks();
    /// Index into WorkbenchSnapshot::forks of what is shown; −1: the lanes of the prompt.
    int shownForks() const { return m_source - 1; }

    void takeSnapshot(const SnapshotPointer& snapshot);
    /// The workspace is shown now: there are lanes from then on, and the prompt has the focus.
    void enter();
    /// Runs all lanes from the prompt.
    void run();
    /// Why there is no run to measure or export; empty: there is one.
    QString whyNothingToMeasure() const;
    void measureQuality();
    void measureAlone();
    void addLane();
    void setLaneCount(int lanes);
    void editLanes(int lane = 0);
    /// Stops what runs; when nothing does, clears the selection.
    void stopOrClear();
    /// The selected tokens of all lanes, a lane a line.
    void copySelection() const;
    void exportCsv();

Q_SIGNALS:
    /// For dock titles.
    void captionChanged(const QString& caption);
    /// There are forks to show, or none any more.
    void forksShown(bool there);

private:
    void connectParts();
    void ensureLanes();
    void showSource(int source);
    void showWantedTurn();
    SnapshotPointer shownPart() const;
    void showShown();
    bool canChangeLanes() const;
    void writeCsv(const QString& directory);

    Workbench& m_workbench;
    std::function<QString()> m_system_prompt;
    QWidget* m_window;
    Selection m_selection;
    SnapshotPointer m_snapshot;
    SnapshotPointer m_shown;          // m_snapshot, or what a forked turn would be as a comparison
    std::int32_t m_wanted_turn = -1;  // to be shown as soon as it is forked
    int m_source = 0;                 // 0: the lanes of the prompt, i: m_snapshot->forks[i − 1]
    bool m_entered = false;
    ComparisonBar* m_bar;
    LanesView* m_lanes;
    MetricsView* m_metrics;
    ForkTree* m_forks;
    ComparisonStatus* m_status;
    LaneEditor* m_editor = nullptr;
};

}  // namespace mixoscope
