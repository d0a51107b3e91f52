#include "views/bridge.h"

#include <chrono>
#include <mutex>

namespace mixoscope {

struct WorkbenchBridge::Mailbox {
    std::mutex mutex;
    WorkbenchBridge* bridge = nullptr;  // null once the bridge is gone
};

WorkbenchBridge::WorkbenchBridge(SnapshotSource source, QObject* parent)
    : QObject(parent), m_source(std::move(source)), m_mailbox(std::make_shared<Mailbox>()) {
    m_mailbox->bridge = this;
    m_frame.setSingleShot(true);
    m_frame.setTimerType(Qt::PreciseTimer);
    connect(&m_frame, &QTimer::timeout, this, &WorkbenchBridge::onFrame);
    listen();
    m_latest = m_source.take();
    if (m_latest == nullptr) m_latest = std::make_shared<WorkbenchSnapshot>();
}

void WorkbenchBridge::listen() {
    m_source.set_wake([mailbox = m_mailbox] {
        const std::lock_guard lock(mailbox->mutex);
        if (mailbox->bridge == nullptr) return;
        WorkbenchBridge* bridge = mailbox->bridge;
        QMetaObject::invokeMethod(
            bridge, [bridge] { bridge->startFrame(); }, Qt::QueuedConnection);
    });
}

WorkbenchBridge::~WorkbenchBridge() {
    {
        const std::lock_guard lock(m_mailbox->mutex);
        m_mailbox->bridge = nullptr;
    }
    m_source.set_wake({});
}

void WorkbenchBridge::startFrame() {
    if (!m_frame.isActive()) m_frame.start(std::chrono::milliseconds(16));
}

void WorkbenchBridge::onFrame() {
    SnapshotPointer snapshot = m_source.take();
    if (snapshot == nullptr || (snapshot->serial == m_latest->serial && !m_other_source)) return;
    m_other_source = false;
    m_latest = std::move(snapshot);
    Q_EMIT snapshotChanged(m_latest);
}

void WorkbenchBridge::refresh() {
    m_frame.stop();
    onFrame();
}

void WorkbenchBridge::setSource(SnapshotSource source) {
    m_source.set_wake({});
    m_source = std::move(source);
    m_other_source = true;
    listen();
    refresh();
}

const LaneSnapshot* findLane(const SnapshotPointer& snapshot, LaneId lane) {
    if (snapshot == nullptr) return nullptr;
    for (const LaneSnapshot& candidate : snapshot->lanes) {
        if (candidate.lane == lane) return &candidate;
    }
    return nullptr;
}

const History& shownHistory(const LaneSnapshot* lane, std::int32_t turn) {
    static const History none;
    if (lane == nullptr) return none;
    const auto index = static_cast<std::size_t>(turn);
    return turn < 0 || index >= lane->turns.size() ? lane->history : lane->historyOfTurn(index);
}

std::int32_t modelLayer(const SnapshotPointer& snapshot, std::int32_t trace_layer) {
    if (snapshot == nullptr || snapshot->model == nullptr) return trace_layer;
    const auto& layers = snapshot->model->moe_layers;
    const auto index = static_cast<std::size_t>(trace_layer);
    return trace_layer >= 0 && index < layers.size() ? layers[index] : trace_layer;
}

}  // namespace mixoscope
