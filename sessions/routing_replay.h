// Recorded routing for the policy `replay`: what a session holds of a lane, read once for as long as the file stays as
// it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "engine/recorded_routing.h"

namespace mixoscope {

/// The routing of a lane, of a fork with what it shares with the lanes before it. Throws Error naming the file.
std::shared_ptr<const RecordedRouting> routingOfSession(const std::filesystem::path& session, std::int32_t lane);

/// Lets policies name sessions. Call it once, before any policy text is read.
void offerSessionsToReplay();

}  // namespace mixoscope
