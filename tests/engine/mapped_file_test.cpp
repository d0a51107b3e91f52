// Files that are read or mapped: what they hold, and an error by name for each that cannot be.
#include "engine/mapped_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "engine/error.h"
#include "support/safetensors_writer.h"
#include "support/temporary_directory.h"

namespace mixoscope::test {
namespace {

ErrorParts failureOf(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.parts();
    }
    return {.what = "no Error was thrown"};
}

TEST(MappedFile, HoldsTheFilesBytesAlsoWhenThereAreNone) {
    const TemporaryDirectory directory;
    writeFile(directory / "a", "abc");
    const auto file = MappedFile::open(directory / "a");
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()), "abc");
    EXPECT_FALSE(file->wasCutShort());
    std::filesystem::resize_file(directory / "a", 2);
    EXPECT_TRUE(file->wasCutShort());
    writeFile(directory / "empty", "");
    EXPECT_TRUE(MappedFile::open(directory / "empty")->bytes().empty());
    EXPECT_TRUE(readSmallFile(directory / "empty", 0).empty());
}

TEST(MappedFile, WhatCannotBeOpenedIsNamedWithTheReason) {
    const TemporaryDirectory directory;
    std::filesystem::create_symlink(directory / "loop", directory / "loop");
    const std::pair<const char*, const char*> cases[] = {{"absent", "No such file or directory"},
                                                         {"loop", "Too many levels of symbolic links"}};
    for (const auto& [name, reason] : cases) {
        for (const bool mapped : {true, false}) {
            const ErrorParts parts = failureOf([&, file = name] {
                if (mapped) {
                    MappedFile::open(directory / file);
                } else {
                    readSmallFile(directory / file, 100);
                }
            });
            EXPECT_EQ(parts.what, "This file cannot be opened");
            EXPECT_EQ(parts.where, (directory / name).string());
            EXPECT_EQ(parts.found, reason);
        }
    }
}

TEST(MappedFile, ASmallFileHasALimit) {
    const TemporaryDirectory directory;
    writeFile(directory / "a", "abcd");
    EXPECT_EQ(readSmallFile(directory / "a", 4).size(), 4U);
    const ErrorParts parts = failureOf([&] { readSmallFile(directory / "a", 3); });
    EXPECT_EQ(parts.what, "This file is too large");
    EXPECT_EQ(parts.where, (directory / "a").string());
    EXPECT_EQ(parts.expected, "at most 3 bytes");
    EXPECT_EQ(parts.found, "4");
}

}  // namespace
}  // namespace mixoscope::test
