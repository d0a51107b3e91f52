// One CSV table, written field by field as RFC 4180 asks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace mixoscope {

class CsvWriter {
public:
    /// Creates or replaces the file and writes the header row. Throws Error.
    CsvWriter(const std::filesystem::path& path, std::string_view header);
    /// Writes into memory instead, for text().
    explicit CsvWriter(std::string_view header);

    CsvWriter& field(std::string_view text);  // quoted where it must be; invalid UTF-8 becomes U+FFFD
    CsvWriter& field(std::int64_t number);
    CsvWriter& field(std::int32_t number) { return field(static_cast<std::int64_t>(number)); }
    CsvWriter& field(double number);  // empty for NaN; the shortest text that reads back the same
    CsvWriter& field(float number);
    void endRow();
    /// Writes what is buffered. Throws Error when anything could not be written.
    void close();
    /// The same, but a table without rows leaves no file.
    void closeUnlessEmpty();
    /// What was written into memory.
    std::string text() const;

private:
    void separate();
    std::filesystem::path m_path;  // empty: into memory
    std::unique_ptr<std::ostream> m_file;
    bool m_row_begun = false;
    bool m_has_rows = false;
};

}  // namespace mixoscope
