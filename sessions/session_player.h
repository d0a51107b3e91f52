// Plays a recorded session: reads it on a thread of its own and publishes a snapshot at every place of its cursor, as a
// Workbench does for what runs. All functions may be called from any one thread; none waits for the file. The
// destructor ends what is being read and waits for the few rows or the snapshot that are under way.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "sessions/playback.h"
#include "sessions/workbench.h"

namespace mixoscope {

/// How long a step may last when it is played: whoever recorded it may have gone to lunch between two turns.
constexpr double kLongestPlayedStep_s = 1.0;

class SessionPlayer {
public:
    explicit SessionPlayer(std::filesystem::path path);
    ~SessionPlayer();
    SessionPlayer(const SessionPlayer&) = delete;
    SessionPlayer& operator=(const SessionPlayer&) = delete;

    /// Called (on any thread) when a new snapshot is there; at most once until snapshot() is called again.
    void setWake(std::function<void()> wake);
    /// The newest; null until the file was opened. WorkbenchSnapshot::playback says where the cursor is. A file that
    /// cannot be read gives a snapshot without model whose load_error says why.
    std::shared_ptr<const WorkbenchSnapshot> snapshot() const;

    // Each returns at once, its effect shows in a later snapshot. While the file is still being read they wait.
    void seek(std::int64_t step);
    /// From the beginning if the cursor is at the end.
    void play();
    void pause();
    /// Times the recorded pace, pauses cut to kLongestPlayedStep_s; 0: as fast as it goes.
    void setSpeed(double speed);
    /// Playing goes from its last step to its first, and begins there from elsewhere behind it. One that holds fewer
    /// than two steps, or steps that there are not, is none.
    void setLoop(const PlaybackLoop& loop);

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
