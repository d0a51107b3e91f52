// Whether the model that a session was recorded from is still where it was, and still the same.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "engine/error.h"
#include "sessions/playback.h"
#include "sessions/session_file.h"

namespace mixoscope {

/// Looks for the files of SessionModel::files_json; relative paths are in `directory`. Reads nothing but their sizes.
ModelAtHand lookForModelFiles(const std::string& files_json, const std::filesystem::path& directory);

/// What to open, as loadModel() takes it, for the model of a session: an embedded one or random weights by name, any
/// other from the directory where it was. Throws Error when that is not there any more.
std::string nameOfRecordedModel(const SessionModel& recorded, const std::filesystem::path& demo_directory);

/// What tells the model that is loaded from the one recorded: its first file of another size or hash, or that is there
/// only once, with what was recorded and what is found; nothing where they are the same. A session without hashes is
/// judged by names and sizes.
std::optional<ErrorParts> differenceOfModels(const SessionModel& recorded, const SessionModel& loaded);

}  // namespace mixoscope
