// A directory in which nothing can be made, renamed or written for as long as the object lives, also for root.
#pragma once

#include <filesystem>

namespace mixoscope::test {

/// Root may write everywhere: the whole process is somebody else meanwhile. Not for two at a time.
class ReadOnlyDirectory {
public:
    explicit ReadOnlyDirectory(std::filesystem::path path);
    ~ReadOnlyDirectory();
    ReadOnlyDirectory(const ReadOnlyDirectory&) = delete;
    ReadOnlyDirectory& operator=(const ReadOnlyDirectory&) = delete;

private:
    std::filesystem::path m_path;
    bool m_was_root;
};

}  // namespace mixoscope::test
