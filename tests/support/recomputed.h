// What the program says of a session against what tests/support/recompute.py, which knows nothing of the program,
// computes from its raw rows.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace mixoscope::test {

struct WrittenTable {
    std::string kind;  // as the script calls it
    std::filesystem::path file;
};

/// Whether Debian's Python with NumPy is here (app/setup.sh names it).
bool canRecompute();
/// Cells that were compared, by kind; every difference fails the test. `directory` takes the script's output.
std::map<std::string, int> recompute(const std::filesystem::path& session, const std::vector<WrittenTable>& tables,
                                     const std::filesystem::path& directory);

}  // namespace mixoscope::test
