#include "sessions/snapshot_publisher.h"

#include <utility>

namespace mixoscope {

void SnapshotPublisher::change(const std::function<void(WorkbenchSnapshot&)>& change) {
    std::function<void()> wake;
    {
        const std::lock_guard lock(m_mutex);
        change(m_draft);
        ++m_draft.serial;
        m_published = std::make_shared<const WorkbenchSnapshot>(m_draft);
        if (!m_awake && m_wake) {
            m_awake = true;
            wake = m_wake;
        }
    }
    if (wake) wake();
}

std::shared_ptr<const WorkbenchSnapshot> SnapshotPublisher::snapshot() const {
    const std::lock_guard lock(m_mutex);
    m_awake = false;
    return m_published;
}

void SnapshotPublisher::setWake(std::function<void()> wake) {
    const std::lock_guard lock(m_mutex);
    m_wake = std::move(wake);
    m_awake = false;
}

void putLanes(WorkbenchSnapshot& snapshot, std::vector<LaneSnapshot> lanes) {
    snapshot.lanes = std::move(lanes);
    if (snapshot.lanes.empty()) return;
    const LaneSnapshot& chat = snapshot.lanes.front();
    snapshot.context_used = chat.history.tokenCount();
    for (ConversationEntry& entry : snapshot.conversation) {
        const auto turn = static_cast<std::size_t>(entry.turn);
        if (entry.role != Role::kAssistant || turn >= chat.turns.size()) continue;
        entry.text = chat.turns[turn].answer_text;
        entry.thinking = chat.turns[turn].thinking_text;
    }
}

}  // namespace mixoscope
