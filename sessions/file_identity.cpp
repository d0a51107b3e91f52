#include "sessions/file_identity.h"

#include <sys/stat.h>

namespace mixoscope {

std::optional<FileIdentity> identityOf(const std::filesystem::path& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) return std::nullopt;
    return FileIdentity{facts.st_dev, facts.st_ino};
}

}  // namespace mixoscope
