// The only QObject that talks to a Workbench: turns its wake-ups, which come on any thread, into at most one signal a
// frame.
#pragma once

#include <QObject>
#include <QTimer>
#include <functional>
#include <memory>

#include "sessions/workbench.h"

namespace mixoscope {

using SnapshotPointer = std::shared_ptr<const WorkbenchSnapshot>;

/// Where snapshots come from: a Workbench, or a test.
struct SnapshotSource {
    std::function<void(std::function<void()>)> set_wake;
    std::function<SnapshotPointer()> take;
};

class WorkbenchBridge : public QObject {
    Q_OBJECT

public:
    explicit WorkbenchBridge(SnapshotSource source, QObject* parent = nullptr);
    ~WorkbenchBridge() override;

    /// The bridge of a workbench that outlives it.
    static SnapshotSource sourceOf(Workbench& workbench) {
        return {[&workbench](std::function<void()> wake) { workbench.setWake(std::move(wake)); },
                [&workbench] { return workbench.snapshot(); }};
    }
    /// Of a snapshot that never changes: a recorded session's.
    static SnapshotSource sourceOf(SnapshotPointer snapshot) {
        return {[](std::function<void()>) {}, [snapshot = std::move(snapshot)] { return snapshot; }};
    }

    /// The newest snapshot published; never null.
    const SnapshotPointer& latest() const { return m_latest; }
    /// Publishes at once what is there, without waiting for the frame.
    void refresh();
    /// Snapshots come from elsewhere from now on; the one that is shown stays until there is another.
    void setSource(SnapshotSource source);

Q_SIGNALS:
    void snapshotChanged(const mixoscope::SnapshotPointer& snapshot);

private:
    struct Mailbox;  // outlives the bridge for wake-ups that are under way
    void listen();
    void startFrame();
    void onFrame();

    SnapshotSource m_source;
    std::shared_ptr<Mailbox> m_mailbox;
    QTimer m_frame;
    SnapshotPointer m_latest;
    bool m_other_source = false;  // than that of the latest snapshot: serial numbers tell nothing
};

/// The lane's part of a snapshot, null if it has none.
const LaneSnapshot* findLane(const SnapshotPointer& snapshot, LaneId lane);
/// Tokens and routing of a lane's turn; −1: of the newest. Empty if there is none.
const History& shownHistory(const LaneSnapshot* lane, std::int32_t turn);
/// The number that the model gives to a trace layer (they differ if some layers are dense).
std::int32_t modelLayer(const SnapshotPointer& snapshot, std::int32_t trace_layer);

}  // namespace mixoscope
