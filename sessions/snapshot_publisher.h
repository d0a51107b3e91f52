// The current WorkbenchSnapshot: changed under a lock by whichever thread has news, read by the views without waiting.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "sessions/workbench.h"

namespace mixoscope {

class SnapshotPublisher {
public:
    SnapshotPublisher() : m_published(std::make_shared<WorkbenchSnapshot>()) {}

    /// Lets `change` alter the draft, publishes a copy of it, and wakes the reader unless it was woken already.
    void change(const std::function<void(WorkbenchSnapshot&)>& change);
    std::shared_ptr<const WorkbenchSnapshot> snapshot() const;
    void setWake(std::function<void()> wake);

private:
    mutable std::mutex m_mutex;
    WorkbenchSnapshot m_draft;
    std::shared_ptr<const WorkbenchSnapshot> m_published;
    std::function<void()> m_wake;
    mutable bool m_awake = false;  // woken, and has not asked for the snapshot since
};

/// Replaces the lanes and makes the assistants' texts in the conversation from them.
void putLanes(WorkbenchSnapshot& snapshot, std::vector<LaneSnapshot> lanes);

}  // namespace mixoscope
