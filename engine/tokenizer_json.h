// A value of tokenizer.json together with its place in the file, so that whoever expects something else can name the
// field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace mixoscope {

/// Parses JSON from bytes of unknown origin: nesting is limited before the parser sees it. Throws Error.
nlohmann::json parseHostileJson(std::span<const std::byte> bytes, std::string_view file_name);

class JsonField {
public:
    JsonField(const nlohmann::json& value, std::string where) : m_value(&value), m_where(std::move(where)) {}

    const nlohmann::json& json() const { return *m_value; }
    const std::string& where() const { return m_where; }

    JsonField at(const char* name) const;                   // must be there
    std::optional<JsonField> find(const char* name) const;  // absent and null are the same
    std::vector<JsonField> items() const;                   // of an array

    const std::string& text() const;
    bool boolean() const;
    std::int64_t integer() const;
    /// Absent or null gives `absent`.
    bool booleanAt(const char* name, bool absent) const;

    void expectObject() const;
    void expectArray() const;
    /// A short description of the value itself, for messages.
    std::string found() const;
    [[noreturn]] void fail(std::string what, std::string expected, std::string found) const;

private:
    const nlohmann::json* m_value;
    std::string m_where;
};

}  // namespace mixoscope
