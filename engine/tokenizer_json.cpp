// JSON access whose every failure is an Error that names the field.
#include "engine/tokenizer_json.h"

#include "engine/unicode.h"

namespace mixoscope {

namespace {

constexpr int kDeepestNesting = 64;
constexpr std::size_t kLargestFile = std::size_t{256} * 1024 * 1024;
constexpr std::size_t kLongestExcerpt = 60;

/// Brackets outside of strings; the parser judges everything else.
int deepestNesting(std::string_view text) {
    int depth = 0;
    int deepest = 0;
    bool in_string = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char byte = text[at];
        if (in_string) {
            if (byte == '\\') ++at;
            if (byte == '"') in_string = false;
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            deepest = std::max(deepest, ++depth);
        } else if (byte == ']' || byte == '}') {
            --depth;
        }
    }
    return deepest;
}

}  // namespace

nlohmann::json parseHostileJson(std::span<const std::byte> bytes, std::string_view file_name) {
    const std::string file(file_name);
    if (bytes.size() > kLargestFile) {
        throw Error({"The file is too large", file, "at most 256 MiB", std::to_string(bytes.size()) + " bytes", ""});
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (const int depth = deepestNesting(text); depth > kDeepestNesting) {
        throw Error({"The JSON is nested too deeply", file, "at most 64 levels", std::to_string(depth), ""});
    }
    try {
        return nlohmann::json::parse(text);
    } catch (const nlohmann::json::exception& failure) {
        throw Error({"The file is not valid JSON", file, "JSON",
                     std::string(clipUtf8(replaceInvalidUtf8(failure.what()), 300)), "Download this file again"});
    }
}

JsonField JsonField::at(const char* name) const {
    if (auto field = find(name)) return *field;
    fail("A field is missing", name, "no such field");
}

std::optional<JsonField> JsonField::find(const char* name) const {
    expectObject();
    const auto found = m_value->find(name);
    if (found == m_value->end() || found->is_null()) return std::nullopt;
    return JsonField(*found, m_where + (m_where.ends_with(',') ? " " : ".") + name);
}

std::vector<JsonField> JsonField::items() const {
    expectArray();
    std::vector<JsonField> fields;
    fields.reserve(m_value->size());
    for (const nlohmann::json& item : *m_value) {
        fields.emplace_back(item, m_where + "[" + std::to_string(fields.size()) + "]");
    }
    return fields;
}

const std::string& JsonField::text() const {
    if (!m_value->is_string()) fail("The field has the wrong type", "a string", found());
    return m_value->get_ref<const std::string&>();
}

bool JsonField::boolean() const {
    if (!m_value->is_boolean()) fail("The field has the wrong type", "true or false", found());
    return m_value->get<bool>();
}

std::int64_t JsonField::integer() const {
    const bool fits = m_value->is_number_integer() &&
                      (!m_value->is_number_unsigned() || m_value->get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
    if (!fits) fail("The field has the wrong type", "an integer", found());
    return m_value->get<std::int64_t>();
}

bool JsonField::booleanAt(const char* name, bool absent) const {
    const auto field = find(name);
    return field ? field->boolean() : absent;
}

void JsonField::expectObject() const {
    if (!m_value->is_object()) fail("The field has the wrong type", "an object", found());
}

void JsonField::expectArray() const {
    if (!m_value->is_array()) fail("The field has the wrong type", "an array", found());
}

std::string JsonField::found() const {
    if (m_value->is_array()) return "an array of " + std::to_string(m_value->size());
    if (m_value->is_object()) return "an object";
    if (!m_value->is_string()) return m_value->dump();
    const std::string& content = m_value->get_ref<const std::string&>();
    const std::string_view excerpt = clipUtf8(content, kLongestExcerpt);
    return '"' + std::string(excerpt) + (excerpt.size() < content.size() ? "…\"" : "\"");
}

void JsonField::fail(std::string what, std::string expected, std::string found) const {
    throw Error({std::move(what), m_where, std::move(expected), std::move(found), ""});
}

}  // namespace mixoscope
