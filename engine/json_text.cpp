#include "engine/json_text.h"

#include <cmath>
#include <set>
#include <sstream>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr int kDeepest = 64;  // levels; files of Hugging Face checkpoints use fewer than ten

/// Watches the parser: stops at too deep a nesting or at a key that its object has already.
class ParseWatch {
public:
    explicit ParseWatch(std::string_view file_name) : m_file_name(file_name) {}

    bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
        using Event = nlohmann::json::parse_event_t;
        if (event == Event::object_start || event == Event::array_start) {
            if (depth >= kDeepest) {
                throw Error({.what = "The JSON is nested too deeply",
                             .where = m_file_name,
                             .expected = "at most " + std::to_string(kDeepest) + " levels"});
            }
            m_keys.resize(static_cast<std::size_t>(depth) + 1);
            m_keys.back().clear();
        } else if (event == Event::key) {
            // A key is reported at the depth of its members, one more than that of its object.
            const auto& key = parsed.get_ref<const std::string&>();
            if (!m_keys[static_cast<std::size_t>(depth) - 1].insert(key).second) {
                throw Error({.what = "A key appears twice in one JSON object",
                             .where = m_file_name,
                             .found = describeJson(parsed)});
            }
        }
        return true;
    }

private:
    std::string m_file_name;
    std::vector<std::set<std::string>> m_keys;  // of each open object
};

}  // namespace

nlohmann::json parseJsonText(std::span<const std::byte> text, std::string_view file_name) {
    const char* begin = reinterpret_cast<const char*>(text.data());
    ParseWatch watch(file_name);
    try {
        return nlohmann::json::parse(begin, begin + text.size(),
                                     [&watch](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
                                         return watch(depth, event, parsed);
                                     });
    } catch (const nlohmann::json::parse_error& error) {
        throw Error({.what = "This is not valid JSON (near byte " + std::to_string(error.byte) + ")",
                     .where = std::string(file_name),
                     .advice = "The file may be cut off: download it again"});
    } catch (const nlohmann::json::exception&) {  // a number out of range
        throw Error({.what = "The JSON holds a number that is out of range", .where = std::string(file_name)});
    }
}

std::string describeJson(const nlohmann::json& value) {
    constexpr std::size_t kLongest = 60;
    if (value.is_object()) return "an object";
    if (value.is_array() && value.size() > 16) return "a list of " + std::to_string(value.size());
    const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + "…";
}

JsonFields::JsonFields(const nlohmann::json& object, std::string where) : m_object(object), m_where(std::move(where)) {
    if (!object.is_object()) {
        throw Error({.what = "This is not a JSON object",
                     .where = m_where,
                     .expected = "an object {…}",
                     .found = describeJson(object)});
    }
}

const nlohmann::json* JsonFields::find(std::string_view key) const {
    const auto found = m_object.find(key);
    return found == m_object.end() || found->is_null() ? nullptr : &*found;
}

std::string JsonFields::at(std::string_view key) const {
    return m_where + ", field " + std::string(key);
}

std::int64_t JsonFields::checkedInteger(const nlohmann::json& value, std::string_view key, std::int64_t minimum,
                                        std::int64_t maximum) const {
    const bool fits =
        value.is_number_integer() &&
        (!value.is_number_unsigned() ||
         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    if (fits) {
        const std::int64_t number = value.get<std::int64_t>();
        if (number >= minimum && number <= maximum) return number;
    }
    throw Error({.what = "This field has a value that cannot be used",
                 .where = at(key),
                 .expected = "a whole number from " + std::to_string(minimum) + " to " + std::to_string(maximum),
                 .found = describeJson(value)});
}

std::int64_t JsonFields::integer(std::string_view key, std::int64_t minimum, std::int64_t maximum) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) throw Error({.what = "This field is missing", .where = at(key)});
    return checkedInteger(*value, key, minimum, maximum);
}

std::optional<std::int64_t> JsonFields::optionalInteger(std::string_view key, std::int64_t minimum,
                                                        std::int64_t maximum) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::nullopt;
    return checkedInteger(*value, key, minimum, maximum);
}

std::optional<double> JsonFields::optionalNumber(std::string_view key, double minimum, double maximum) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_number()) {
        const double number = value->get<double>();
        if (number >= minimum && number <= maximum) return number;
    }
    std::ostringstream range;
    range << "a number from " << minimum << " to " << maximum;
    throw Error({.what = "This field has a value that cannot be used",
                 .where = at(key),
                 .expected = range.str(),
                 .found = describeJson(*value)});
}

bool JsonFields::boolean(std::string_view key, bool absent) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return absent;
    if (value->is_boolean()) return value->get<bool>();
    throw Error({.what = "This field has a value that cannot be used",
                 .where = at(key),
                 .expected = "true or false",
                 .found = describeJson(*value)});
}

std::optional<std::string> JsonFields::optionalText(std::string_view key) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return value->get<std::string>();
    throw Error({.what = "This field has a value that cannot be used",
                 .where = at(key),
                 .expected = "a text",
                 .found = describeJson(*value)});
}

std::vector<std::int64_t> JsonFields::integers(std::string_view key, std::int64_t minimum, std::int64_t maximum) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_array()) {
        throw Error({.what = "This field has a value that cannot be used",
                     .where = at(key),
                     .expected = "a list of whole numbers",
                     .found = describeJson(*value)});
    }
    std::vector<std::int64_t> numbers;
    numbers.reserve(value->size());
    for (const nlohmann::json& element : *value) numbers.push_back(checkedInteger(element, key, minimum, maximum));
    return numbers;
}

}  // namespace mixoscope
