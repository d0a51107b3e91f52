#include "sessions/output_file.h"

#include <system_error>

#include "engine/error.h"

namespace mixoscope {

namespace {

/// The file that is written where links are followed.
std::filesystem::path targetOf(const std::filesystem::path& path) {
    std::error_code failure;
    const std::filesystem::path target = std::filesystem::weakly_canonical(path, failure);
    return failure ? path : target;
}

bool isOrdinary(const std::filesystem::path& path) {
    std::error_code failure;
    const auto status = std::filesystem::status(path, failure);
    return !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
}

}  // namespace

OutputFile::OutputFile(const std::filesystem::path& path, const std::filesystem::path& source)
    : m_path(path), m_target(targetOf(path)), m_written(m_target) {
    std::error_code failure;
    if (std::filesystem::equivalent(m_target, source, failure))
        throw Error({.what = "The export would replace what it is made from",
                     .where = path.string(),
                     .expected = "another file than " + source.string()});
    if (isOrdinary(m_target)) m_written += ".part";
    m_stream.open(m_written, std::ios::binary | std::ios::trunc);
    if (!m_stream)
        throw Error(
            {.what = "This file cannot be written", .where = path.string(), .expected = "a writable directory"});
}

OutputFile::~OutputFile() {
    if (!m_stream.is_open() || m_written == m_target) return;
    m_stream.close();
    std::error_code ignored;
    std::filesystem::remove(m_written, ignored);
}

void OutputFile::commit() {
    m_stream.flush();
    if (!m_stream) throw Error({.what = "This file could not be written completely", .where = m_path.string()});
    std::error_code failure;
    if (m_written != m_target) std::filesystem::rename(m_written, m_target, failure);
    if (failure)
        throw Error({.what = "This file cannot be written", .where = m_path.string(), .found = failure.message()});
    m_stream.close();
}

}  // namespace mixoscope
