// The list of sessions: newest first, each with its facts, read again when its file has changed.
#include "sessions/session_list.h"

#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "sessions/session_library.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

constexpr TraceShape kShape{3, 4, 16, false};

void setAge(const std::filesystem::path& path, int seconds) {
    std::filesystem::last_write_time(path,
                                     std::filesystem::file_time_type::clock::now() - std::chrono::seconds(seconds));
}

TEST(SessionList, showsTheNewestFirstAndNoOtherFiles) {
    const test::TemporaryDirectory directory;
    for (const auto& [name, age] : {std::pair{"b.mixo", 100}, {"a.mixo", 10}, {"c.mixo", 100}, {"d.mixo", 500}}) {
        test::recordSession(directory / name, kShape, 1, 6);
        setAge(directory / name, age);
    }
    std::filesystem::last_write_time(directory / "c.mixo", std::filesystem::last_write_time(directory / "b.mixo"));
    std::ofstream(directory / "notes.txt") << "no session";
    std::ofstream(directory / "a.mixo-wal") << "12345";  // part of a.mixo
    setAge(directory / "a.mixo-wal", 10);
    std::string order;
    for (const ListedSession& info : SessionList().list(directory.path())) order += info.path.stem().string();
    EXPECT_EQ(order, "acbd") << "of equal age the later name, which begins with the time";
    const std::vector<ListedSession> sessions = SessionList().list(directory.path());
    EXPECT_EQ(sessions.front().bytes, static_cast<std::int64_t>(std::filesystem::file_size(directory / "a.mixo")) + 5);
    EXPECT_EQ(sessions.back().title, "What is 2 + 3?");
    EXPECT_TRUE(SessionList().list(directory / "nowhere").empty());
}

TEST(SessionList, readsAFileAgainWhenItsSizeOrItsTimeHasChanged) {
    const test::TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    test::recordSession(file, kShape, 1, 6);
    const auto time = std::filesystem::last_write_time(file);
    const SessionList list;
    const std::int64_t tokens = list.list(directory.path()).front().tokens;
    EXPECT_GT(tokens, 0);
    std::filesystem::remove(file);
    test::recordSession(file, kShape, 40, 6);
    std::filesystem::last_write_time(file, time);  // another size alone
    EXPECT_GT(list.list(directory.path()).front().tokens, tokens);
    const auto size = std::filesystem::file_size(file);
    std::ofstream(file, std::ios::binary) << std::string(size, 'x');
    setAge(file, 100);  // another time alone
    EXPECT_TRUE(list.list(directory.path()).front().error.has_value());
}

TEST(SessionList, tellsWhatSearchesLookAtAndWhenItWasRecorded) {
    const test::TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    test::recordSession(file, kShape, 2, 6);
    const SessionList list;
    ListedSession info = list.list(directory.path()).front();
    EXPECT_TRUE(info.tags.empty());
    EXPECT_EQ(info.prompts, "question, \"0\"\nsecond line\nquestion, \"1\"\nsecond line\n");
    EXPECT_EQ(info.created_s, info.modified_ns / 1'000'000'000) << "the file does not say";
    SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
        .exec("INSERT INTO session (key, value) VALUES ('created_utc', '2026-01-31T12:00:00Z')");
    // A change of the same length within the same second.
    for (const char* title : {"first", "other"}) {
        renameSession(file, title);
        setSessionTags(file, {title});
        info = list.list(directory.path()).front();
        EXPECT_EQ(info.title, title);
        EXPECT_EQ(info.tags, std::vector<std::string>{title});
        EXPECT_EQ(info.created_s, 1'769'860'800) << "a renamed session stays in its place";
    }
}

}  // namespace
}  // namespace mixoscope
