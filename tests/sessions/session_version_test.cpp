// Files of earlier versions, stored as they were written: they are read as they are, and brought to today's version
// whole.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "sessions/schema.h"
#include "sessions/session_file.h"
#include "support/paths.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

std::filesystem::path version1() {
    return test::goldenDirectory() / "sessions" / "version1.mixo";
}

int versionOf(const std::filesystem::path& file) {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
    return database.execAndGet("PRAGMA user_version").getInt();
}

/// The recording's turn: 17 tokens of prompt, then 12 that were generated, the last one of which was not fed.
void expectWhole(const std::filesystem::path& file) {
    const SessionReader reader(file);
    EXPECT_EQ(reader.rowCount(), 28);
    EXPECT_EQ(reader.lostCount(), 0);
    EXPECT_TRUE(reader.lanes().empty()) << "it has one lane, the conversation";
    EXPECT_TRUE(reader.forcedTokens(0).empty());
    EXPECT_TRUE(reader.attributions().empty());
    const auto records = test::replayed(file);
    int chosen = 0;
    for (const test::Record& record : records) {
        if (record.is_event) continue;
        EXPECT_FALSE(record.row.view().expert_ids.empty());
        if (record.row.view().next.id >= 0) ++chosen;
    }
    EXPECT_EQ(chosen, 12);
    EXPECT_EQ(static_cast<std::int64_t>(records.size()), reader.rowCount() + reader.eventCount());
}

TEST(SessionVersion, AFileOfVersionOneIsReadAndNotChanged) {
    ASSERT_EQ(versionOf(version1()), 1);
    const auto before = std::filesystem::last_write_time(version1());
    expectWhole(version1());
    EXPECT_EQ(versionOf(version1()), 1);
    EXPECT_EQ(std::filesystem::last_write_time(version1()), before);
}

TEST(SessionVersion, AFileOfVersionOneIsBroughtToTodaysWhole) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "migrated.mixo";
    std::filesystem::copy_file(version1(), file);
    {
        SQLite::Database database(file.string(), SQLite::OPEN_READWRITE);
        migrateSession(database);
    }
    EXPECT_EQ(versionOf(file), kSessionVersion);
    expectWhole(file);
}

}  // namespace
}  // namespace mixoscope
