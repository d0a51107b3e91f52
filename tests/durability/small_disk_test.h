// Disks and users for faults that are real, whoever runs the tests. All of these are for a role, before its first
// thread, and skip the role with the reason where they cannot be had.
#pragma once

#include <cstdint>
#include <filesystem>

namespace mixoscope::test {

/// Makes the directory a file system of its own, of so many bytes. Only this process sees it.
void mountSmallDisk(const std::filesystem::path& directory, std::int64_t bytes);
/// Gives it another size.
void resizeSmallDisk(const std::filesystem::path& directory, std::int64_t bytes);
/// Writes a file until the disk is full.
void fillDisk(const std::filesystem::path& ballast);

/// Root may write everywhere: this process becomes somebody else, who owns the directory.
void becomeOrdinaryUser(const std::filesystem::path& directory);

/// Nothing is written to a file any more, not even by who has it open (the attribute of `chattr +i`), or again.
void setImmutable(const std::filesystem::path& file, bool immutable);
/// Skips the role where the file system lets go on writing who had the file open before. Creates the file.
void requireImmutableIsObeyed(const std::filesystem::path& probe);

}  // namespace mixoscope::test
