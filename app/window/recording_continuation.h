// Going on with a recording as a live conversation: the action, the wait for the model, and the question when the model
// on disk is not the one recorded. The recording stays in sight until the conversation is there.
#pragma once

#include <QAction>
#include <QObject>
#include <memory>

#include "sessions/workbench.h"
#include "views/bridge.h"

class QMessageBox;
class QWidget;

namespace mixoscope {

class RecordingContinuation : public QObject {
    Q_OBJECT

public:
    /// `window` is the parent of the messages.
    RecordingContinuation(Workbench& workbench, QWidget* window);
    ~RecordingContinuation() override;

    QAction& action() { return *m_action; }
    /// `stop_there`: as ContinueRequest's.
    void begin(const QString& file, std::int64_t step, bool stop_there);
    /// What the window shows: the recording, or what is live.
    void takeSnapshot(const SnapshotPointer& snapshot);
    /// The window takes the workbench's snapshots itself from now on, and passes them on.
    void stopListening();

Q_SIGNALS:
    /// The recorded conversation is the live one.
    void begun();
    void refused();

private:
    void ask();
    void refresh();
    void lookAt(const WorkbenchSnapshot& live);
    void askWhetherOtherModel(const ErrorParts& difference);
    void tellRefusal(const ErrorParts& refusal);
    QMessageBox* makeMessage(const ErrorParts& parts);

    Workbench& m_workbench;
    QWidget* m_window;
    QAction* m_action;
    SnapshotPointer m_shown;
    std::unique_ptr<WorkbenchBridge> m_live;  // while the window shows a recording and an answer is waited for
    ContinueRequest m_request;
    bool m_waiting = false;
    std::int64_t m_asked_before = 0;  // WorkbenchSnapshot::continues_asked as it was asked for
};

}  // namespace mixoscope
