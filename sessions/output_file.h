// A file that an export makes: there as a whole or not at all.
#pragma once

#include <filesystem>
#include <fstream>

namespace mixoscope {

class OutputFile {
public:
    /// Begins a file beside `path`, in whose place it comes with commit(); until then what is there stays. What is no
    /// ordinary file (a pipe, a device) is written as it is. Throws Error when it cannot be written, or when it is
    /// `source`, which would be lost.
    OutputFile(const std::filesystem::path& path, const std::filesystem::path& source);
    /// Leaves nothing of what was not committed.
    ~OutputFile();
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    const std::filesystem::path& path() const { return m_path; }
    std::ofstream& stream() { return m_stream; }
    /// Throws Error when something could not be written.
    void commit();

private:
    std::filesystem::path m_path;     // as it was asked for
    std::filesystem::path m_target;   // without links
    std::filesystem::path m_written;  // the target, or a file beside it
    std::ofstream m_stream;
};

}  // namespace mixoscope
