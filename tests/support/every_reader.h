// Everything that reads a session, for files that may be damaged.
#pragma once

#include <filesystem>

namespace mixoscope::test {

/// Replays the session, goes about in it, lists it with its picture and exports it in every format into the directory
/// `out`. An Error is as it should be; whatever else is thrown comes out.
void readInEveryWay(const std::filesystem::path& file, const std::filesystem::path& out);

}  // namespace mixoscope::test
