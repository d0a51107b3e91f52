// A recording that may fail, in a role that judges for itself: what it had acknowledged, what it said when it failed,
// and whether everything acknowledged is in the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "sessions/recorder.h"
#include "support/recorded_session.h"

namespace mixoscope::test {

class JudgedRecording {
public:
    JudgedRecording(std::filesystem::path file, std::uint32_t seed);

    /// Plays turns, each acknowledged by a flush, until the recorder fails or `turns` are over; true: it has not
    /// failed.
    bool record(int turns);
    /// Plays a turn and does not wait until it is acknowledged; nor need there be a recorder that has not failed.
    void playOn();
    /// Ends the recording as whoever closes the window does.
    void close();

    const std::filesystem::path& file() const { return m_file; }
    /// Records that were acknowledged.
    std::int64_t acknowledged() const { return m_acknowledged; }
    /// Fails the role unless the recorder has failed, names the file and says this.
    void requireSaid(const std::string& text) const;
    /// Fails the role unless the file is sound and holds all records that were acknowledged, bit for bit and in their
    /// order, and then at most such as were given to the recorder later.
    void requireWhole() const;

private:
    static constexpr TraceShape kShape{4, 4, 32, false};

    std::filesystem::path m_file;
    RingAndKeeper m_sink;
    SyntheticEngine m_engine;
    std::unique_ptr<Recorder> m_recorder;
    std::int64_t m_acknowledged = 0;
};

/// Fails the role unless `action` throws an Error that names this file, one made from it or its trash, or nothing at
/// all. Returns what it said.
std::string errorOf(const std::filesystem::path& file, const std::function<void()>& action);

/// Fails the role with this text unless the condition is met.
void require(bool met, const std::string& what);

}  // namespace mixoscope::test
