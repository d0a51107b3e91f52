// What was written is on the disk, not on its way.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Waits until a file's content, or a directory's names, would outlive a power cut. Silent where the file system cannot
/// tell: what was written is there all the same.
void syncToDisk(const std::filesystem::path& path);

}  // namespace mixoscope
