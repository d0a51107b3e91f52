#include "sessions/csv_reader.h"

#include <algorithm>

#include "engine/error.h"

namespace mixoscope {

namespace {

class Reader {
public:
    Reader(std::string_view text, const std::string& file) : m_text(text), m_file(file) {
        if (m_text.starts_with("\xEF\xBB\xBF")) m_text.remove_prefix(3);
    }

    bool atEnd() const { return m_at >= m_text.size(); }
    std::int64_t line() const { return m_line; }

    std::vector<std::string> record() {
        std::vector<std::string> fields;
        do {
            fields.push_back(peek() == '"' ? quoted() : bare());
        } while (take(','));
        take('\r');
        if (!atEnd() && !take('\n')) fail("Something follows a quoted field", "a comma or the end of the line");
        return fields;
    }

    [[noreturn]] void fail(const std::string& what, const std::string& expected) const {
        throw Error({.what = what,
                     .where = m_file + ", line " + std::to_string(m_line),
                     .expected = expected,
                     .found = std::string(m_text.substr(m_at, std::min<std::size_t>(20, m_text.size() - m_at)))});
    }

private:
    char peek() const { return atEnd() ? '\0' : m_text[m_at]; }
    bool take(char c) {
        if (atEnd() || m_text[m_at] != c) return false;
        if (c == '\n') ++m_line;
        ++m_at;
        return true;
    }

    std::string bare() {
        const std::size_t begin = m_at;
        m_at = std::min(m_text.find_first_of(",\r\n", begin), m_text.size());
        const std::string_view field = m_text.substr(begin, m_at - begin);
        if (field.find('"') != std::string_view::npos)
            fail("A quote stands inside a bare field", "quotes around the whole field");
        return std::string(field);
    }

    std::string quoted() {
        const std::int64_t first_line = m_line;
        std::string field;
        for (take('"');;) {
            if (atEnd()) {
                m_line = first_line;
                fail("A quoted field is never closed", "a closing quote");
            }
            if (take('"')) {
                if (!take('"')) return field;
                field += '"';
            } else {
                field += peek();
                take(peek());
            }
        }
    }

    std::string_view m_text;
    const std::string& m_file;
    std::size_t m_at = 0;
    std::int64_t m_line = 1;
};

}  // namespace

std::vector<std::vector<std::string>> readCsv(std::string_view text, const std::string& file) {
    Reader reader(text, file);
    std::vector<std::vector<std::string>> records;
    while (!reader.atEnd()) {
        const std::string line = std::to_string(reader.line());
        records.push_back(reader.record());
        if (records.back().size() != records.front().size())
            throw Error({.what = "A record has another number of fields than the first",
                         .where = file + ", line " + line,
                         .expected = std::to_string(records.front().size()),
                         .found = std::to_string(records.back().size())});
    }
    return records;
}

}  // namespace mixoscope
