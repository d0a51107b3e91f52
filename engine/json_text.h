// JSON from files that anyone may have written: bounded depth, no duplicate keys, and fields read with their limits.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

/// What to do about a damaged file of a checkpoint.
inline constexpr std::string_view kDownloadAgain = "The file may be cut off: download it again";

/// Parses a whole text. Throws Error naming `file_name` for anything but one JSON value nested at most 64 levels deep
/// whose objects have no key twice; where it is no JSON the error names the line, and `advice` says what to do.
nlohmann::json parseJsonText(std::span<const std::byte> text, std::string_view file_name, std::string_view advice = {});

/// A value as it appears in a message: its JSON, cut when long.
std::string describeJson(const nlohmann::json& value);

/// Fields of one object. A field that is null counts as absent. Each call throws Error naming file and field when the
/// value is of another type or outside the limits.
class JsonFields {
public:
    /// `where` names the file, and the object inside it if it is not the outermost. Throws Error if `object` is no
    /// object.
    JsonFields(const nlohmann::json& object, std::string where);

    bool has(std::string_view key) const { return find(key) != nullptr; }
    /// The value, or null if absent.
    const nlohmann::json* find(std::string_view key) const;

    std::int64_t integer(std::string_view key, std::int64_t minimum, std::int64_t maximum) const;  // required
    std::optional<std::int64_t> optionalInteger(std::string_view key, std::int64_t minimum, std::int64_t maximum) const;
    std::optional<double> optionalNumber(std::string_view key, double minimum, double maximum) const;
    bool boolean(std::string_view key, bool absent) const;
    std::optional<std::string> optionalText(std::string_view key) const;
    std::vector<std::int64_t> integers(std::string_view key, std::int64_t minimum, std::int64_t maximum) const;

    /// Where a field stands, for messages: "config.json, field hidden_size".
    std::string at(std::string_view key) const;

private:
    std::int64_t checkedInteger(const nlohmann::json& value, std::string_view key, std::int64_t minimum,
                                std::int64_t maximum) const;
    const nlohmann::json& m_object;
    std::string m_where;
};

}  // namespace mixoscope
