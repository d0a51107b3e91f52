// Bookmarks live in the session file: beside its records, in any version of it, and none is lost when two change them.
#include "sessions/session_bookmarks.h"

#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "sessions/csv_export.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

constexpr TraceShape kShape{3, 4, 16, false};

class SessionBookmarks : public testing::Test {
protected:
    void SetUp() override { records = test::recordSession(file, kShape, 2, 6); }
    std::vector<SessionBookmark> kept() const { return sessionBookmarks(SessionReader(file)); }

    test::TemporaryDirectory directory;
    std::filesystem::path file = directory / "a.mixo";
    std::vector<test::Record> records;
};

TEST_F(SessionBookmarks, AreSetChangedAndRemoved) {
    EXPECT_TRUE(kept().empty());
    setSessionBookmark(file, {.row = 12, .note = "here it turns \"round\""});
    setSessionBookmark(file, {.row = 3});
    const std::vector<SessionBookmark> both{{.row = 3}, {.row = 12, .note = "here it turns \"round\""}};
    EXPECT_EQ(kept(), both) << "in order of their rows";
    EXPECT_EQ(setSessionBookmark(file, {.row = 3, .note = "first"}).front().note, "first");
    EXPECT_EQ(kept().size(), 2U);
    EXPECT_EQ(removeSessionBookmark(file, 12), (std::vector<SessionBookmark>{{.row = 3, .note = "first"}}));
    EXPECT_EQ(removeSessionBookmark(file, 99), kept());
    const auto found = test::replayed(file);
    ASSERT_EQ(found.size(), records.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_TRUE(test::sameRecord(found[i], records[i])) << i;
    EXPECT_EQ(sessionBookmarks(SessionReader(duplicateSession(file))), kept()) << "a copy has them too";
}

TEST_F(SessionBookmarks, AreExported) {
    const auto tables = directory / "tables";
    exportCsv(file, tables);
    EXPECT_FALSE(std::filesystem::exists(tables / "bookmarks.csv")) << "there are none";
    setSessionBookmark(file, {.row = 12, .note = "a \"b\", c"});
    exportCsv(file, tables);
    std::ifstream in(tables / "bookmarks.csv", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(text, "row,note\r\n12,\"a \"\"b\"\", c\"\r\n");
    removeSessionBookmark(file, 12);
    exportCsv(file, tables);
    EXPECT_FALSE(std::filesystem::exists(tables / "bookmarks.csv")) << "that of an earlier export is removed";
}

TEST_F(SessionBookmarks, OfTwoWindowsAreAllKept) {
    {
        std::vector<std::jthread> windows;
        for (int window = 0; window < 4; ++window)
            windows.emplace_back([&, window] {
                for (int i = 0; i < 5; ++i) setSessionBookmark(file, {.row = 1 + window * 5 + i});
            });
    }
    EXPECT_EQ(kept().size(), 20U);
}

TEST_F(SessionBookmarks, WhatIsNoneIsLeftOut) {
    SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
        .exec(
            "INSERT INTO session (key, value) VALUES ('bookmarks',"
            " '[{\"row\":7,\"note\":5},{\"row\":\"x\"},{\"note\":\"y\"},3,{\"row\":-1},{\"row\":2,\"note\":\"good\"}]'"
            ")");
    EXPECT_EQ(kept(), (std::vector<SessionBookmark>{{.row = 2, .note = "good"}, {.row = 7}}));
    SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
        .exec("UPDATE session SET value = '{' WHERE key = 'bookmarks'");
    EXPECT_TRUE(kept().empty());
}

}  // namespace
}  // namespace mixoscope
