// Which file a name stands for, to notice when another one is put in its place.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

namespace mixoscope {

struct FileIdentity {
    dev_t device = 0;
    ino_t number = 0;
    bool operator==(const FileIdentity&) const = default;
};

/// Nothing: there is no such file.
std::optional<FileIdentity> identityOf(const std::filesystem::path& path);

}  // namespace mixoscope
