#include "app/resource_directory.h"

#include <cstdlib>
#include <system_error>

namespace mixoscope {

std::filesystem::path resourceDirectory() {
    if (const char* named = std::getenv("MIXOSCOPE_RESOURCES"); named != nullptr && *named != '\0') return named;
    std::error_code error;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
        const std::filesystem::path installed =
            program.parent_path().parent_path() / "share" / "mixoscope" / "resources";
        if (std::filesystem::is_directory(installed, error)) return installed;
    }
    return MIXO_SOURCE_RESOURCES;
}

}  // namespace mixoscope
