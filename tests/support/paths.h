// Where the tests find what they read: the only file that knows absolute paths, so that a compiler cache can serve all
// other objects to a checkout in another folder.
#pragma once

#include <filesystem>

namespace mixoscope::test {

/// tests/golden: committed outputs of the reference implementations.
std::filesystem::path goldenDirectory();
/// resources/: the demo model, fonts, icons.
std::filesystem::path resourcesDirectory();
/// The program as it was built.
std::filesystem::path programPath();

}  // namespace mixoscope::test
