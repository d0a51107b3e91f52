#include "support/paths.h"

#include <cstdlib>

namespace mixoscope::test {

std::filesystem::path goldenDirectory() {
    const char* elsewhere = std::getenv("MIXO_GOLDEN_DIRECTORY");  // where a program runs that was built elsewhere
    return elsewhere != nullptr ? elsewhere : MIXO_GOLDEN_DIRECTORY;
}

std::filesystem::path resourcesDirectory() {
    return MIXO_RESOURCES;
}

std::filesystem::path programPath() {
    return MIXO_PROGRAM;
}

}  // namespace mixoscope::test
