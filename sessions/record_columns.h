// A record of a session file, column by column. What does not fit its field, or would lead its readers astray, is
// refused with its place.
#pragma once

#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

#include "engine/step_trace.h"

namespace mixoscope {

/// Far above any context.
constexpr std::int64_t kMostPositions = std::int64_t{1} << 24;
constexpr std::int64_t kMostSerial = std::int64_t{1} << 53;

/// Throws Error: the session is damaged. `place`: table and column.
[[noreturn]] void refuseDamage(const std::filesystem::path& path, const std::string& place, std::string expected,
                               std::string found);

/// The record at which the statement stands. All arguments must outlive it.
class RecordColumns {
public:
    RecordColumns(SQLite::Statement& statement, const std::filesystem::path& path, const char* table)
        : m_statement(statement), m_path(path), m_table(table) {}

    template <typename T>
    T integer(int column, std::int64_t least = std::numeric_limits<T>::min(),
              std::int64_t most = std::numeric_limits<T>::max()) const {
        return static_cast<T>(within(column, least, most));
    }
    /// A missing value is a NaN.
    double number(int column) const;
    std::int64_t serial(int column) const { return integer<std::int64_t>(column, 0, kMostSerial); }
    std::int64_t microseconds(int column) const;
    /// TokenTrace's fields in nine columns from `first` on.
    TokenTrace token(int first) const;
    /// LaneEvent's fields in nine columns from the first one on.
    LaneEvent event() const;

    /// Table, first column and this column, for people.
    std::string place(int column) const;

private:
    std::int64_t within(int column, std::int64_t least, std::int64_t most) const;

    SQLite::Statement& m_statement;
    const std::filesystem::path& m_path;
    const char* m_table;
};

}  // namespace mixoscope
