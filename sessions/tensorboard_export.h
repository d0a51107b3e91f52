// A session as scalars over its steps, for TensorBoard. Streamed: memory does not grow with the session.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Writes a run a lane, `directory`/lane-N/events.out.tfevents.…, and creates the directories; an event file of an
/// earlier export of this session is replaced. A value a step of the engine in which the lane took part: of the rows of
/// that step the mean, but `dropped` their sum, and the load that of all rows up to it. Throws Error.
void exportTensorBoard(const std::filesystem::path& session, const std::filesystem::path& directory);

}  // namespace mixoscope
