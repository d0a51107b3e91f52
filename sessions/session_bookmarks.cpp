#include "sessions/session_bookmarks.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sessions/session_edit.h"
#include "sessions/session_file.h"

namespace mixoscope {

namespace {

// Metadata, so that a file of any version can hold them: [{"row":12,"note":"text"}].
constexpr const char* kKey = "bookmarks";

std::vector<SessionBookmark> bookmarksFrom(const std::string& text) {
    std::vector<SessionBookmark> found;
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_array()) return found;
    for (const auto& entry : json) {
        if (!entry.is_object()) continue;
        const auto row = entry.find("row");
        const auto note = entry.find("note");
        if (row == entry.end() || !row->is_number_integer() || row->get<std::int64_t>() < 1) continue;
        found.push_back({.row = row->get<std::int64_t>(),
                         .note = note != entry.end() && note->is_string() ? note->get<std::string>() : std::string()});
    }
    std::ranges::stable_sort(found, {}, &SessionBookmark::row);
    return found;
}

std::string textOf(const std::vector<SessionBookmark>& bookmarks) {
    auto json = nlohmann::json::array();
    for (const SessionBookmark& bookmark : bookmarks) json.push_back({{"row", bookmark.row}, {"note", bookmark.note}});
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <typename Change>
std::vector<SessionBookmark> changeBookmarks(const std::filesystem::path& session, const Change& change) {
    std::vector<SessionBookmark> bookmarks;
    editSession(session, [&](SQLite::Database& database) {
        bookmarks = bookmarksFrom(metadataOf(database, kKey));
        change(bookmarks);
        std::ranges::stable_sort(bookmarks, {}, &SessionBookmark::row);
        setMetadata(database, kKey, textOf(bookmarks));
    });
    return bookmarks;
}

}  // namespace

std::vector<SessionBookmark> sessionBookmarks(const SessionReader& session) {
    return bookmarksFrom(session.metadata(kKey));
}

std::vector<SessionBookmark> setSessionBookmark(const std::filesystem::path& session, const SessionBookmark& bookmark) {
    return changeBookmarks(session, [&](std::vector<SessionBookmark>& bookmarks) {
        std::erase_if(bookmarks, [&](const SessionBookmark& there) { return there.row == bookmark.row; });
        bookmarks.push_back(bookmark);
    });
}

std::vector<SessionBookmark> removeSessionBookmark(const std::filesystem::path& session, std::int64_t row) {
    return changeBookmarks(session, [row](std::vector<SessionBookmark>& bookmarks) {
        std::erase_if(bookmarks, [row](const SessionBookmark& there) { return there.row == row; });
    });
}

}  // namespace mixoscope
