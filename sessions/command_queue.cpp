#include "sessions/command_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mixoscope {

namespace {

/// What stop() takes out of the queue.
bool isWork(const Command& command) {
    return std::holds_alternative<Send>(command) || std::holds_alternative<Fork>(command) ||
           std::holds_alternative<Attribute>(command) || std::holds_alternative<Compare>(command);
}

}  // namespace

void CommandQueue::push(Command command) {
    const std::lock_guard lock(m_mutex);
    // The newest model wins, and what was to happen with the older one has lost its object.
    if (std::holds_alternative<OpenModel>(command)) m_queue.clear();
    m_queue.push_back(std::move(command));
    m_changed.notify_all();
}

void CommandQueue::stop() {
    const std::lock_guard lock(m_mutex);
    std::erase_if(m_queue, isWork);
    m_stop = true;
    m_changed.notify_all();
}

void CommandQueue::close() {
    const std::lock_guard lock(m_mutex);
    m_closed = true;
    m_changed.notify_all();
}

bool CommandQueue::waitIdle(int timeout_ms) {
    std::unique_lock lock(m_mutex);
    const auto idle = [&] { return m_queue.empty() && !m_busy; };
    if (timeout_ms >= 0) return m_changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), idle);
    m_changed.wait(lock, idle);
    return true;
}

void CommandQueue::setPace(double tokens_per_s) {
    const std::lock_guard lock(m_mutex);
    m_pace = std::isfinite(tokens_per_s) && tokens_per_s > 0.0 ? tokens_per_s : 0.0;
    m_changed.notify_all();
}

double CommandQueue::pace() const {
    const std::lock_guard lock(m_mutex);
    return m_pace;
}

std::optional<Command> CommandQueue::next() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] { return m_closed || !m_queue.empty(); });
    if (m_closed) return std::nullopt;
    Command command = std::move(m_queue.front());
    m_queue.pop_front();
    m_busy = true;
    m_stop = false;
    return command;
}

void CommandQueue::done() {
    const std::lock_guard lock(m_mutex);
    m_busy = false;
    m_changed.notify_all();
}

bool CommandQueue::interruptedLocked() const {
    return m_closed || std::any_of(m_queue.begin(), m_queue.end(), [](const Command& command) {
               return std::holds_alternative<OpenModel>(command) || std::holds_alternative<NewConversation>(command) ||
                      std::holds_alternative<Continue>(command);
           });
}

bool CommandQueue::interrupted() const {
    const std::lock_guard lock(m_mutex);
    return interruptedLocked();
}

bool CommandQueue::mustStop() const {
    const std::lock_guard lock(m_mutex);
    return m_stop || interruptedLocked();
}

void CommandQueue::keepPace(Clock::time_point start) {
    std::unique_lock lock(m_mutex);
    while (m_pace > 0.0 && !m_stop && !interruptedLocked()) {
        const auto due =
            start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1.0 / m_pace));
        if (Clock::now() >= due) return;
        m_changed.wait_until(lock, due);
    }
}

}  // namespace mixoscope
