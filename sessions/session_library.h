// What one does with recorded sessions as files: name, tag, copy, take in, make small, throw away and bring back. Each
// function may be called from any thread; each throws Error, and leaves the file as it was when it does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace mixoscope {

class SessionReader;

/// The title that lists show; the file keeps its name. An empty one is refused.
void renameSession(const std::filesystem::path& session, const std::string& title);

/// Each is one word or more; blanks around it and repeated ones are left out.
void setSessionTags(const std::filesystem::path& session, const std::vector<std::string>& tags);
std::vector<std::string> sessionTags(const SessionReader& session);

/// A complete copy beside it, also of a session that is being recorded; its title says that it is a copy. Returns its
/// path. The copy appears once it is complete, as that of importSession() does.
std::filesystem::path duplicateSession(const std::filesystem::path& session);

/// Copies a session from elsewhere into the directory, which is created. What is no session that this version reads is
/// refused, and what is in that directory already. Returns the path of the copy.
std::filesystem::path importSession(const std::filesystem::path& from, const std::filesystem::path& directory);

/// Writes the session anew without what deleted or changed records left unused, and puts that in its place: whoever is
/// reading the file goes on with the old one. Returns the bytes saved; 0: it was left as it is. Refused while it is
/// being recorded, by whatever program.
std::int64_t compactSession(const std::filesystem::path& session);

/// A session that was thrown away and can be brought back.
struct TrashedSession {
    std::filesystem::path original;
    std::filesystem::path trashed;
};
/// Moves a session into a folder of the same file system beside it. Refused while it is being recorded, by whatever
/// program; what a program that was killed left in a log is brought into the file first.
TrashedSession trashSession(const std::filesystem::path& session);
/// To where it was; if that name is taken by now, to one beside it. Returns the path.
std::filesystem::path restoreSession(const TrashedSession& session);
/// What was thrown away in a directory and is still there.
struct SessionTrash {
    std::int64_t sessions = 0;
    std::int64_t bytes = 0;
};
SessionTrash sessionTrash(const std::filesystem::path& directory);
/// Deletes what was thrown away in this directory for good.
void emptySessionTrash(const std::filesystem::path& directory);

/// A picture of a session in few cells: how its rows were spread over the experts of each layer.
struct SessionThumbnail {
    std::int32_t layers = 0;
    std::int32_t experts = 0;
    std::int64_t rows = 0;      // that were counted: the first ones
    std::vector<float> shares;  // (layers, experts) of the layer's selections; 1 / experts is even
};
/// Counts at most so many rows from the beginning.
SessionThumbnail thumbnailOf(const std::filesystem::path& session, std::int64_t most_rows = 256);

}  // namespace mixoscope
