#include "support/paths.h"

namespace mixoscope::test {

std::filesystem::path goldenDirectory() {
    return MIXO_GOLDEN_DIRECTORY;
}

std::filesystem::path resourcesDirectory() {
    return MIXO_RESOURCES;
}

std::filesystem::path programPath() {
    return MIXO_PROGRAM;
}

}  // namespace mixoscope::test
