#include "sessions/session_name.h"

namespace mixoscope {

namespace {

constexpr std::size_t kSlugCharacters = 40;

std::string formatTime(const std::tm& time, const char* format) {
    char text[64];
    return {text, std::strftime(text, sizeof(text), format, &time)};
}

}  // namespace

std::string slugOf(std::string_view text) {
    std::string slug;
    bool gap = false;
    for (const char character : text) {
        const bool upper = character >= 'A' && character <= 'Z';
        const bool kept = upper || (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
        if (!kept) {
            gap = true;
            continue;
        }
        if (slug.size() + (gap ? 2 : 1) > kSlugCharacters) break;
        if (gap && !slug.empty()) slug += '-';
        gap = false;
        slug += static_cast<char>(upper ? character - 'A' + 'a' : character);
    }
    return slug.empty() ? "session" : slug;
}

std::string titleOf(std::string_view text, std::size_t most_bytes) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    std::string_view line = text.substr(0, text.find_first_of("\r\n"));
    if (line.size() <= most_bytes) return std::string(line);
    std::size_t end = most_bytes;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
    return std::string(line.substr(0, end)) + "…";
}

std::string utcTime(std::time_t now) {
    std::tm time{};
    gmtime_r(&now, &time);
    return formatTime(time, "%Y-%m-%dT%H:%M:%SZ");
}

std::time_t utcSeconds(const std::string& text) {
    std::tm time{};
    const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
    return end == nullptr || *end != '\0' ? 0 : ::timegm(&time);
}

std::filesystem::path newSessionPath(const std::filesystem::path& directory, std::string_view first_message,
                                     std::time_t now) {
    std::tm time{};
    localtime_r(&now, &time);
    const std::string stem = formatTime(time, "%Y-%m-%d-%H%M%S-") + slugOf(first_message);
    std::filesystem::path path = directory / (stem + ".mixo");
    std::error_code failure;
    for (int number = 2; std::filesystem::exists(path, failure); ++number)
        path = directory / (stem + "-" + std::to_string(number) + ".mixo");
    return path;
}

}  // namespace mixoscope
