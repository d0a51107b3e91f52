// Where the program's resources are (demo model, prompt sets, licences).
#pragma once

#include <filesystem>

namespace mixoscope {

/// MIXOSCOPE_RESOURCES if set, else ../share/mixoscope/resources beside the executable, else the source tree's.
std::filesystem::path resourceDirectory();

}  // namespace mixoscope
