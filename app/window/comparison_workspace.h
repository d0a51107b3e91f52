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
    Selection& selection() { return m_selection; }

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

private:
    void connectParts();
    void ensureLanes();
    void writeCsv(const QString& directory);

    Workbench& m_workbench;
    std::function<QString()> m_system_prompt;
    QWidget* m_window;
    Selection m_selection;
    SnapshotPointer m_snapshot;
    bool m_entered = false;
    ComparisonBar* m_bar;
    LanesView* m_lanes;
    MetricsView* m_metrics;
    ComparisonStatus* m_status;
    LaneEditor* m_editor = nullptr;
};

}  // namespace mixoscope
