// A recorded session as the views see it.
#pragma once

#include <filesystem>
#include <memory>

#include "sessions/workbench.h"

namespace mixoscope {

/// Everything that the file holds, through the same aggregates that a live chat goes through; its settings are those
/// in force at its end. Throws Error when the file cannot be read.
std::shared_ptr<WorkbenchSnapshot> snapshotOfSession(const std::filesystem::path& path);

}  // namespace mixoscope
