// Places in a recording that somebody marked, each with a note. They are kept in the session file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace mixoscope {

class SessionReader;

struct SessionBookmark {
    std::int64_t row = 0;   // tokens fed up to there, from 1: PlaybackIndex::rowsAt()
    std::string note = {};  // may be empty

    bool operator==(const SessionBookmark&) const = default;
};

/// In order of their rows. What the file holds that is none is left out.
std::vector<SessionBookmark> sessionBookmarks(const SessionReader& session);

// Each changes the file at once and returns what it holds then; a file that another window changes meanwhile keeps both
// changes. Throws Error, and leaves the file as it was when it does.

/// There is one bookmark a row: the note of one that is there is replaced.
std::vector<SessionBookmark> setSessionBookmark(const std::filesystem::path& session, const SessionBookmark& bookmark);
std::vector<SessionBookmark> removeSessionBookmark(const std::filesystem::path& session, std::int64_t row);

}  // namespace mixoscope
