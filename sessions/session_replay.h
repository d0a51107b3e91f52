// A recorded session, read through the same aggregates that a live chat goes through, with a cursor that can go to any
// of its steps. For one thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "sessions/playback.h"
#include "sessions/workbench.h"

namespace mixoscope {

class SessionReplay {
public:
    /// Reads what the file says of itself; no records yet. Throws Error when the file cannot be read. `cancelled` as
    /// SessionReader's: once it says so, what reads throws Error.
    explicit SessionReplay(const std::filesystem::path& path, std::function<bool()> cancelled = {});
    ~SessionReplay();
    SessionReplay(const SessionReplay&) = delete;
    SessionReplay& operator=(const SessionReplay&) = delete;

    /// Reads about so many further records; false: there are none left. The cursor is at the end of what was read.
    /// Records that a program writes to the file meanwhile are left out.
    bool readMore(std::int64_t records);
    /// Moves the cursor, to a step of index(); only once everything is read. Work is bounded by the distance to the
    /// nearest state kept, some thousand rows, and by what lies between when going forward less than that.
    void seek(std::int64_t step);
    std::int64_t step() const;
    const std::shared_ptr<const PlaybackIndex>& index() const;
    std::int64_t rowsRead() const;
    std::int64_t rowsTotal() const;
    /// Everything at the cursor, as the recorded window's snapshot was when it had as many tokens; `playback` and
    /// `serial` are the caller's to set.
    WorkbenchSnapshot snapshot();
    /// Looks at the files of the model that the session names.
    ModelAtHand modelAtHand() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
