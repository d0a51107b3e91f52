// What a new session file is called.
#pragma once

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>

namespace mixoscope {

/// YYYY-MM-DD-HHMMSS-<slug of the message>.mixo in local time, with a number where that name is taken.
std::filesystem::path newSessionPath(const std::filesystem::path& directory, std::string_view first_message,
                                     std::time_t now);

/// Lower-case ASCII letters and digits joined by single dashes, at most 40 characters; "session" if there are none.
std::string slugOf(std::string_view text);

/// The first line of the text, cut at a character to at most `most_bytes`, with … where it was cut.
std::string titleOf(std::string_view text, std::size_t most_bytes = 80);

/// 2026-01-31T12:00:00Z
std::string utcTime(std::time_t now);
/// The time that utcTime() wrote; 0 for any other text.
std::time_t utcSeconds(const std::string& text);

}  // namespace mixoscope
