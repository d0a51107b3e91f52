#include "engine/json_text.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <unordered_set>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::size_t kDeepest = 64;  // levels; files of Hugging Face checkpoints use fewer than ten

/// Reads a text without building anything: stops at too deep a nesting or at a key that its object has already. (A
/// callback of nlohmann's parser could do the same, but walks over all earlier members after each one: a minute for a
/// header of 70,000 tensors.)
class Watch : public nlohmann::json_sax<nlohmann::json> {
public:
    Watch(std::string_view text, std::string_view file_name, std::string_view advice)
        : m_text(text), m_file_name(file_name), m_advice(advice) {}

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(); }
    bool end_array() override { return close(); }

    bool key(string_t& key) override {
        if (m_keys.back().insert(key).second) return true;
        throw Error({.what = "A key appears twice in one JSON object",
                     .where = m_file_name,
                     .found = describeJson(nlohmann::json(key))});
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
        if (dynamic_cast<const nlohmann::json::parse_error*>(&error) == nullptr)
            throw Error({.what = "The JSON holds a number that is out of range", .where = m_file_name});
        throw Error({.what = "This is not valid JSON (" + placeOf(position) + ")",
                     .where = m_file_name,
                     .advice = std::string(m_advice)});
    }

private:
    /// "line 3, column 14", both from 1, columns in bytes; in a text of one line "byte 14".
    std::string placeOf(std::size_t position) const {
        const std::string_view before = m_text.substr(0, position == 0 ? 0 : position - 1);
        if (m_text.find('\n') == std::string_view::npos) return "byte " + std::to_string(before.size() + 1);
        const auto lines = std::ranges::count(before, '\n');
        const std::size_t begin = before.rfind('\n') + 1;  // 0 where there is none
        return "line " + std::to_string(lines + 1) + ", column " + std::to_string(before.size() - begin + 1);
    }
    bool open() {
        if (m_keys.size() >= kDeepest) {
            throw Error({.what = "The JSON is nested too deeply",
                         .where = m_file_name,
                         .expected = "at most " + std::to_string(kDeepest) + " levels"});
        }
        m_keys.emplace_back();
        return true;
    }
    bool close() {
        m_keys.pop_back();
        return true;
    }

    std::string_view m_text;
    std::string m_file_name;
    std::string_view m_advice;
    std::vector<std::unordered_set<std::string>> m_keys;  // of each open object; an array has none
};

}  // namespace

nlohmann::json parseJsonText(std::span<const std::byte> text, std::string_view file_name, std::string_view advice) {
    const char* begin = reinterpret_cast<const char*>(text.data());
    Watch watch({begin, text.size()}, file_name, advice);
    nlohmann::json::sax_parse(begin, begin + text.size(), &watch);
    return nlohmann::json::parse(begin, begin + text.size());
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
