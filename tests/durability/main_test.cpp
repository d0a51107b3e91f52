// main() of the fault tests: mixo_durability_tests [--kills=N] [--corruptions=N] [--seed=N] and GoogleTest's
// own options.
#include <gtest/gtest.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "durability/fault_options_test.h"
#include "durability/role_process_test.h"

namespace mixoscope::test {

FaultOptions& faultOptions() {
    static FaultOptions options;
    return options;
}

namespace {

bool takeNumber(std::string_view argument, std::string_view option, std::uint32_t& value) {
    if (!argument.starts_with(option)) return false;
    const char* const end = argument.data() + argument.size();
    const auto [stop, failure] = std::from_chars(argument.data() + option.size(), end, value);
    return failure == std::errc() && stop == end;
}

/// A killed process loses nothing that it has given to the kernel, whatever the file system. In memory the rounds do
/// not wait for a disk, which under load can take longer than a test may.
void keepFilesInMemory() {
    std::error_code failure;
    if (std::filesystem::is_directory("/dev/shm", failure) && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
}

}  // namespace
}  // namespace mixoscope::test

int main(int argc, char** argv) {
    using namespace mixoscope::test;
    if (const auto status = runRole(argc, argv)) return *status;
    keepFilesInMemory();
    testing::InitGoogleTest(&argc, argv);
    FaultOptions& options = faultOptions();
    for (int i = 1; i < argc; ++i) {
        if (takeNumber(argv[i], "--kills=", options.kills) ||
            takeNumber(argv[i], "--corruptions=", options.corruptions) || takeNumber(argv[i], "--seed=", options.seed))
            continue;
        std::fprintf(stderr, "unknown argument: %s\n", argv[i]);
        return 2;
    }
    return RUN_ALL_TESTS();
}
