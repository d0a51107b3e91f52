// A session as CSV tables (RFC 4180, UTF-8, header row first) beside a run.json with the facts of the run. Streamed:
// memory does not grow with the session, unless it holds a comparison.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Writes tokens.csv, routing.csv, router.csv, balance.csv, settings.csv, messages.csv and run.json into `directory`,
/// which is created, and beside them what the session has: lanes.csv, attribution.csv, of a comparison comparison.csv
/// and forced.csv. Files of these names are replaced; one that would have no rows is left out and, where an earlier
/// export left it, removed. `layer` is the model's layer number everywhere. Throws Error.
void exportCsv(const std::filesystem::path& session, const std::filesystem::path& directory);

}  // namespace mixoscope
