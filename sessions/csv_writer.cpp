#include "sessions/csv_writer.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/error.h"
#include "engine/tokenizer.h"

namespace mixoscope {

namespace {

template <typename T>
void writeNumber(std::ostream& file, T number) {
    char text[40];
    const auto end = std::to_chars(text, text + sizeof(text), number).ptr;
    file.write(text, end - text);
}

}  // namespace

CsvWriter::CsvWriter(const std::filesystem::path& path, std::string_view header)
    : m_path(path), m_file(std::make_unique<std::ofstream>(path, std::ios::binary | std::ios::trunc)) {
    *m_file << header << "\r\n";
    if (!*m_file)
        throw Error(
            {.what = "This file cannot be written", .where = path.string(), .expected = "a writable directory"});
}

CsvWriter::CsvWriter(std::string_view header) : m_file(std::make_unique<std::ostringstream>()) {
    *m_file << header << "\r\n";
}

std::string CsvWriter::text() const {
    const auto* memory = dynamic_cast<const std::ostringstream*>(m_file.get());
    return memory == nullptr ? std::string() : memory->str();
}

void CsvWriter::separate() {
    if (m_row_begun) m_file->put(',');
    m_row_begun = true;
}

CsvWriter& CsvWriter::field(std::string_view text) {
    separate();
    const std::string valid = validUtf8(text);
    if (valid.find_first_of(",\"\r\n") == std::string::npos) {
        *m_file << valid;
        return *this;
    }
    m_file->put('"');
    for (const char character : valid) {
        if (character == '"') m_file->put('"');
        m_file->put(character);
    }
    m_file->put('"');
    return *this;
}

CsvWriter& CsvWriter::field(std::int64_t number) {
    separate();
    writeNumber(*m_file, number);
    return *this;
}

CsvWriter& CsvWriter::field(double number) {
    separate();
    if (!std::isnan(number)) writeNumber(*m_file, number);
    return *this;
}

CsvWriter& CsvWriter::field(float number) {
    separate();
    if (!std::isnan(number)) writeNumber(*m_file, number);
    return *this;
}

void CsvWriter::endRow() {
    *m_file << "\r\n";
    m_row_begun = false;
    m_has_rows = true;
}

void CsvWriter::close() {
    auto* file = dynamic_cast<std::ofstream*>(m_file.get());
    if (file == nullptr) return;
    file->close();
    if (!*file) throw Error({.what = "This file could not be written completely", .where = m_path.string()});
}

void CsvWriter::closeUnlessEmpty() {
    close();
    if (m_has_rows) return;
    std::error_code failure;
    std::filesystem::remove(m_path, failure);
    if (failure)
        throw Error({.what = "This file of an earlier export cannot be removed",
                     .where = m_path.string(),
                     .found = failure.message()});
}

}  // namespace mixoscope
