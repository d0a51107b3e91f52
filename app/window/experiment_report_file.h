// The report of an experiment without a window.
#pragma once

#include <filesystem>

namespace mixoscope {

/// Writes the report of the results (.mixo) as an HTML file. Needs no display: without one Qt's offscreen platform is
/// used, and neither the model nor the tasks. Throws Error.
void writeExperimentReport(int argc, char** argv, const std::filesystem::path& results,
                           const std::filesystem::path& out);

}  // namespace mixoscope
