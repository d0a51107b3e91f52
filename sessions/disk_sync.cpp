#include "sessions/disk_sync.h"

#include <fcntl.h>
#include <unistd.h>

namespace mixoscope {

void syncToDisk(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    ::fsync(file);
    ::close(file);
}

}  // namespace mixoscope
