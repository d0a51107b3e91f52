// What a workbench is asked to do, one thing after the other: callers put it in on any thread, the engine thread takes
// it out and asks between two steps whether it is to go on and how fast.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/chat_template.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/workbench.h"

namespace mixoscope {

class Comparison;

struct OpenModel {
    std::string name;
};
struct Send {
    std::string text;
};
struct NewConversation {};
struct Continue {
    ContinueRequest request;
};
struct CheckRecording {};  // recording was switched on or off
struct Fork {
    ForkRequest request;
    bool in_comparison = false;
};
struct Attribute {
    LaneId lane = 0;
    std::int32_t position = 0;
    bool in_comparison = false;
};
struct Compare {
    std::function<void(Comparison&)> start;  // a pass over the run that there is; empty: a run
    std::vector<Message> messages = {};      // of a run
    bool then_forced = false;
};
struct RetireComparison {};  // lanes were set anew
using Command = std::variant<OpenModel, Send, NewConversation, Continue, CheckRecording, Fork, Attribute, Compare,
                             RetireComparison>;

class CommandQueue {
public:
    using Clock = std::chrono::steady_clock;

    // --- any thread --------------------------------------------------------------------------------------------------
    void push(Command command);
    /// Takes out what would generate or measure, and ends what does.
    void stop();
    /// Ends what is under way; next() gives nothing any more.
    void close();
    /// Waits until nothing is left to do or `timeout_ms` passed (< 0: no limit). True: idle.
    bool waitIdle(int timeout_ms);
    /// At most this many tokens a second; 0: no limit. Acts at once, also on a wait under way.
    void setPace(double tokens_per_s);
    double pace() const;

    // --- engine thread -----------------------------------------------------------------------------------------------
    /// Waits for the next command; nothing once the queue is closed.
    std::optional<Command> next();
    /// The last command was carried out.
    void done();
    /// Something waits that ends the turn or the loading under way.
    bool interrupted() const;
    /// The same, or stop() was called since the last next().
    bool mustStop() const;
    /// Waits until 1 / pace seconds have passed since `start`, whatever the pace becomes meanwhile.
    void keepPace(Clock::time_point start);

private:
    bool interruptedLocked() const;

    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<Command> m_queue;
    bool m_busy = false;  // the engine thread is at a command
    bool m_stop = false;
    bool m_closed = false;
    double m_pace = 0.0;  // tokens a second, 0: no limit
};

}  // namespace mixoscope
