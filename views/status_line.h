// What the status bar says: state, speed, probes, context, checks, recorder. Parts drop out when there is no room, the
// checks and the recorder last.
#pragma once

#include <QLabel>
#include <QTimer>
#include <QWidget>
#include <vector>

#include "views/bridge.h"

namespace mixoscope {

/// A piece of text that can be clicked.
class StatusPart : public QLabel {
    Q_OBJECT

public:
    using QLabel::QLabel;

Q_SIGNALS:
    void clicked();

protected:
    void mouseReleaseEvent(QMouseEvent* event) override;
};

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
    void showRecorder(const WorkbenchSnapshot& snapshot);
    void dropParts();
    StatusPart* addPart(const QString& name, const QString& panel);

    WorkbenchBridge& m_bridge;
    StatusPart* m_state;
    StatusPart* m_ttft;
    StatusPart* m_tpot;
    StatusPart* m_rate;
    StatusPart* m_probes;
    StatusPart* m_context;
    StatusPart* m_checks;
    StatusPart* m_recorder;
    std::vector<StatusPart*> m_dropping;  // in the order in which they go
    QTimer m_age;                         // the age of the last commit grows between snapshots
    QTimer m_message;
    QString m_message_text;
    bool m_message_warns = false;
};

}  // namespace mixoscope
