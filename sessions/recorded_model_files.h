// Whether the model that a session was recorded from is still where it was.
#pragma once

#include <filesystem>
#include <string>

#include "sessions/playback.h"

namespace mixoscope {

/// Looks for the files of SessionModel::files_json; relative paths are in `directory`. Reads nothing but their sizes.
ModelAtHand lookForModelFiles(const std::string& files_json, const std::filesystem::path& directory);

}  // namespace mixoscope
