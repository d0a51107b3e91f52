// A comparison as CSV tables, from what is on screen or from its session file: the same tables either way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "sessions/session_file.h"

namespace mixoscope {

/// Writes comparison.csv (one row a lane) and, where tokens were judged, forced.csv (one row a judged token and lane)
/// into `directory`, which is created; files of these names are replaced or, having no rows, removed. Throws Error.
void exportComparison(const ComparisonSnapshot& comparison, const std::function<std::string(TokenId)>& token_bytes,
                      const std::filesystem::path& directory);

/// What a session says of its comparison itself: lanes, teacher-forced tokens, seed; nothing that follows from its
/// records. No lanes if it holds none.
ComparisonSnapshot recordedComparison(const SessionReader& session);
/// The comparison that a session holds, measured from its records; no lanes if it holds none. `bootstrap_seed` is the
/// session's.
ComparisonSnapshot comparisonOf(const SessionReader& session);

/// (MoE layers) weights of one expert of the layer; empty where the session does not say.
std::vector<std::int64_t> expertBytesOf(const SessionReader& session);

/// Writes lanes.csv: every lane of the session that was compared, forked or measured, with its role, and for a fork its
/// parent, position and change. No file where there is none.
void exportLanes(const SessionReader& session, const std::filesystem::path& path);

/// Writes attribution.csv: one row an expert that was removed. No file where none was.
void exportAttributions(const SessionReader& session, const std::filesystem::path& path);

}  // namespace mixoscope
