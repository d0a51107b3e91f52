// The timing of a recorded session in the JSON trace format that Perfetto (ui.perfetto.dev) and other viewers read.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Writes `out` (.json). Tracks: the engine's steps with their lengths; for each lane its turns, its tokens (from the
/// step before to the step that chose them), and what was changed; counters of thinking tokens and of the budget.
/// Times are microseconds since the generation began. Memory does not grow with the session. Throws Error; then what
/// was there stays.
void exportPerfetto(const std::filesystem::path& session, const std::filesystem::path& out);

}  // namespace mixoscope
