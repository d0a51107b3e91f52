// What the status bar says: state, speed, probes, context, checks, recorder. Parts drop out when there is no room, the
// checks and the recorder last.
#pragma once

#include <QLabel>
#include <QTimer>
#include <QToolButton>
#include <QWidget>
#include <vector>

#include "views/bridge.h"

namespace mixoscope {

class StatusLine : public QWidget {
    Q_OBJECT

public:
    explicit StatusLine(WorkbenchBridge& bridge, QWidget* parent = nullptr);
    /// A short message in place of the state, until the next one or for some seconds; empty: none.
    void showMessage(const QString& message, bool warning);

Q_SIGNALS:
    /// A part was clicked: show the panel that tells more ("checks", "sessions", "timeline").
    void panelAsked(const QString& name);

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void takeSnapshot(const SnapshotPointer& snapshot);
    void showState(const WorkbenchSnapshot& snapshot, const LaneSnapshot* lane);
    void showSpeed(const TurnFacts* turn);
    void showChecks(const LaneSnapshot* lane);
    void showRecorder(const RecorderStatus& recorder);
    void dropParts();
    QToolButton* addPart(const QString& name, const QString& panel);

    WorkbenchBridge& m_bridge;
    QToolButton* m_state;
    QToolButton* m_ttft;
    QToolButton* m_tpot;
    QToolButton* m_rate;
    QToolButton* m_probes;
    QToolButton* m_context;
    QToolButton* m_checks;
    QToolButton* m_recorder;
    std::vector<QToolButton*> m_dropping;  // in the order in which they go
    QTimer m_age;                          // the age of the last commit grows between snapshots
    QTimer m_message;
    QString m_message_text;
    bool m_message_warns = false;
};

}  // namespace mixoscope
