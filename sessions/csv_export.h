// A session as CSV tables (RFC 4180, UTF-8, header row first) beside a run.json with the facts of the run. Streamed:
// memory does not grow with the session, unless it holds a comparison.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Writes tokens.csv, routing.csv, router.csv, balance.csv, settings.csv, messages.csv, lanes.csv, attribution.csv, of
/// a comparison also comparison.csv and forced.csv, and run.json into `directory`, which is created; files of these
/// names are replaced. `layer` is the model's layer number everywhere. Throws Error.
void exportCsv(const std::filesystem::path& session, const std::filesystem::path& directory);

}  // namespace mixoscope
