// TensorBoard's event file: TFRecords of Event messages with scalar summaries. No library that Debian packages writes
// it, and of its protocol five fields are needed, fewer than a code generator is worth; so they are encoded here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "sessions/output_file.h"

namespace mixoscope {

class EventFile {
public:
    /// Begins a file; it is there with commit(). `source` is never replaced. `time_s`: since 1970. Throws Error.
    EventFile(const std::filesystem::path& path, const std::filesystem::path& source, double time_s);

    /// One value of a series.
    void scalar(double time_s, std::int64_t step, std::string_view tag, float value);
    /// Throws Error when something could not be written.
    void commit() { m_file.commit(); }

private:
    void write(std::string_view event);
    OutputFile m_file;
};

}  // namespace mixoscope
