// Sessions as files: what one does to them changes what was asked for and nothing else.
#include "sessions/session_library.h"

#include <SQLiteCpp/Database.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <thread>

#include "sessions/session_file.h"
#include "support/read_only_directory.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

constexpr TraceShape kShape{3, 4, 16, false};

class SessionLibrary : public testing::Test {
protected:
    void SetUp() override { records = test::recordSession(file, kShape, 2, 6); }
    /// The same records, and a database that SQLite finds nothing wrong with.
    void expectWhole(const std::filesystem::path& session) const {
        const auto found = test::replayed(session);
        ASSERT_EQ(found.size(), records.size());
        for (std::size_t i = 0; i < found.size(); ++i) ASSERT_TRUE(test::sameRecord(found[i], records[i])) << i;
    }
    static std::string contentOf(const std::filesystem::path& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static std::set<std::string> filesIn(const std::filesystem::path& folder) {
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
        return names;
    }
    static std::string refusal(const std::function<void()>& action) {
        try {
            action();
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }

    test::TemporaryDirectory directory;
    std::filesystem::path file = directory / "a.mixo";
    std::vector<test::Record> records;
};

TEST_F(SessionLibrary, RenamesAndTags) {
    renameSession(file, "  A better name ");
    EXPECT_EQ(SessionReader(file).metadata("title"), "A better name");
    EXPECT_TRUE(sessionTags(SessionReader(file)).empty());
    setSessionTags(file, {"top-k", " paper, figure 3 ", "", "top-k", "ü\"quoted\""});
    EXPECT_EQ(sessionTags(SessionReader(file)), (std::vector<std::string>{"top-k", "paper, figure 3", "ü\"quoted\""}));
    setSessionTags(file, {});
    EXPECT_TRUE(sessionTags(SessionReader(file)).empty());
    EXPECT_NE(refusal([&] { renameSession(file, "   "); }), "");
    EXPECT_EQ(SessionReader(file).metadata("title"), "A better name");
    expectWhole(file);
}

TEST_F(SessionLibrary, DuplicatesAlsoWhatIsBeingRecorded) {
    const auto copy = duplicateSession(file);
    EXPECT_EQ(copy, directory / "a-copy.mixo");
    expectWhole(copy);
    EXPECT_EQ(SessionReader(copy).metadata("title"), "What is 2 + 3? (copy)");
    EXPECT_EQ(SessionReader(file).metadata("title"), "What is 2 + 3?");
    EXPECT_EQ(duplicateSession(file), directory / "a-copy-2.mixo");

    const auto live = directory / "live.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    test::SyntheticEngine engine(kShape, 5, sink);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    engine.play(0, {.prompt = 12, .thinking = 5, .answer = 6});
    ASSERT_TRUE(recorder.flush());
    const auto of_live = duplicateSession(live);
    EXPECT_EQ(SessionReader(of_live).rowCount(), recorder.status().committed_rows);
    EXPECT_FALSE(std::filesystem::exists(of_live.string() + "-wal"));
    engine.play(0, {.kept = 4, .prompt = 12, .thinking = 5, .answer = 6});
    EXPECT_TRUE(recorder.flush()) << "the recorder goes on";
}

TEST_F(SessionLibrary, TakesInSessionsAndNothingElse) {
    const auto taken = importSession(file, directory / "library");
    EXPECT_EQ(taken, directory / "library" / "a.mixo");
    expectWhole(taken);
    EXPECT_EQ(importSession(file, directory / "library"), directory / "library" / "a-2.mixo");
    std::ofstream(directory / "text.mixo") << "no session";
    EXPECT_NE(refusal([&] { importSession(directory / "text.mixo", directory / "library"); }).find("not a session"),
              std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(directory / "library" / "text.mixo"));
}

TEST_F(SessionLibrary, CompactingKeepsEveryRecord) {
    setSessionTags(file, {std::string(200'000, 'x')});
    setSessionTags(file, {});
    const auto before = std::filesystem::file_size(file);
    const std::int64_t saved = compactSession(file);
    EXPECT_GE(saved, 190'000);
    EXPECT_EQ(std::filesystem::file_size(file), before - static_cast<std::uintmax_t>(saved));
    expectWhole(file);
}

TEST_F(SessionLibrary, CompactingLeavesReadersTheOldFile) {
    setSessionTags(file, {std::string(200'000, 'x')});
    setSessionTags(file, {});
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::create_symlink(file, directory / "link.mixo");
    const SessionReader open(file);
    EXPECT_GE(compactSession(directory / "link.mixo"), 190'000);
    test::KeepingSink sink;
    open.replay([&](const StepTrace& trace) { sink.onRow(trace); },
                [&](const LaneEvent& event) { sink.onEvent(event); });
    EXPECT_EQ(sink.records.size(), records.size());
    EXPECT_TRUE(std::filesystem::is_symlink(directory / "link.mixo"));
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    const std::string content = contentOf(file);
    EXPECT_EQ(compactSession(file), 0);
    EXPECT_EQ(contentOf(file), content) << "nothing to save: left as it is";
    EXPECT_EQ(filesIn(directory.path()), (std::set<std::string>{"a.mixo", "link.mixo"}));
}

TEST_F(SessionLibrary, WhatWasThrownAwayComesBackAsItWas) {
    const std::string content = contentOf(file);
    const TrashedSession gone = trashSession(file);
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_TRUE(std::filesystem::exists(gone.trashed));
    EXPECT_EQ(restoreSession(gone), file);
    EXPECT_EQ(contentOf(file), content);

    const TrashedSession again = trashSession(file);
    test::recordSession(file, kShape, 1, 7);  // the name is taken meanwhile
    EXPECT_EQ(restoreSession(again), directory / "a-2.mixo");
    EXPECT_EQ(contentOf(directory / "a-2.mixo"), content);

    trashSession(file);
    EXPECT_EQ(sessionTrash(directory.path()).sessions, 1);
    EXPECT_GT(sessionTrash(directory.path()).bytes, 10'000);
    emptySessionTrash(directory.path());
    EXPECT_EQ(sessionTrash(directory.path()).sessions, 0);
    EXPECT_FALSE(std::filesystem::exists(directory / ".trash"));
    EXPECT_TRUE(std::filesystem::exists(directory / "a-2.mixo"));
    emptySessionTrash(directory / "nowhere");
}

TEST_F(SessionLibrary, ASessionThatIsBeingRecordedIsNotThrownAway) {
    const auto live = directory / "live.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    ASSERT_TRUE(recorder.flush());
    for (const auto& action :
         {std::function<void()>([&] { trashSession(live); }), std::function<void()>([&] { compactSession(live); })}) {
        const std::string said = refusal(action);
        EXPECT_NE(said.find("being recorded"), std::string::npos) << said;
        EXPECT_NE(said.find("live.mixo"), std::string::npos) << said;
    }
    EXPECT_TRUE(std::filesystem::exists(live));
    // Its title and tags may be changed meanwhile, and it goes on.
    renameSession(live, "Another name");
    test::SyntheticEngine(kShape, 5, sink).play(0, {.prompt = 12, .thinking = 5, .answer = 6});
    EXPECT_TRUE(recorder.flush());
    EXPECT_GT(SessionReader(live).rowCount(), 0);
    EXPECT_EQ(SessionReader(live).metadata("title"), "Another name");
}

/// The lock by which a program says that it has a database open, as another process sees it.
bool lockedByAnother(const std::filesystem::path& database) {
    const pid_t child = ::fork();
    if (child == 0) {
        // The bytes of which SQLite locks some for reading.
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510, .l_pid = 0};
        const int descriptor = ::open(database.c_str(), O_RDWR | O_CLOEXEC);
        const bool asked = descriptor >= 0 && ::fcntl(descriptor, F_GETLK, &lock) == 0;
        ::_exit(asked && lock.l_type != F_UNLCK ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

TEST_F(SessionLibrary, ReadingASessionThatIsBeingRecordedLeavesTheRecorderItsLock) {
    const auto live = directory / "live.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    ASSERT_TRUE(recorder.flush());
    ASSERT_TRUE(lockedByAnother(live));
    EXPECT_EQ(SessionReader(live).metadata("title"), "What is 2 + 3?");
    EXPECT_TRUE(lockedByAnother(live)) << "another program could take the log away, and with it what is recorded";
    duplicateSession(live);
    renameSession(live, "Another name");
    EXPECT_TRUE(lockedByAnother(live));
}

TEST_F(SessionLibrary, WhatAKilledProgramLeftIsThrownAwayWithItsLog) {
    const auto live = directory / "live.mixo";
    const auto left = directory / "left.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    test::SyntheticEngine(kShape, 5, sink).play(0, {.prompt = 12, .thinking = 5, .answer = 6});
    ASSERT_TRUE(recorder.flush());
    // As a program that is killed leaves them.
    std::filesystem::copy_file(live, left);
    std::filesystem::copy_file(live.string() + "-wal", left.string() + "-wal");
    const std::int64_t rows = SessionReader(left).rowCount();
    ASSERT_GT(rows, 0);
    const TrashedSession gone = trashSession(left);
    EXPECT_EQ(filesIn(directory / ".trash"), (std::set<std::string>{"left.mixo"}));
    EXPECT_FALSE(std::filesystem::exists(left.string() + "-wal"));
    EXPECT_EQ(SessionReader(restoreSession(gone)).rowCount(), rows);
}

TEST_F(SessionLibrary, WhatAKilledProgramHadBegunToChangeIsTakenBack) {
    const pid_t child = ::fork();
    if (child == 0) {
        SQLite::Database database(file.string(), SQLite::OPEN_READWRITE);
        database.exec("PRAGMA cache_size = 1");  // so that pages are written before the end
        database.exec("BEGIN IMMEDIATE");
        database.exec("UPDATE rows SET routing = zeroblob(3000)");
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ASSERT_TRUE(std::filesystem::exists(file.string() + "-journal"));
    expectWhole(file);
    EXPECT_FALSE(std::filesystem::exists(file.string() + "-journal"));
}

TEST_F(SessionLibrary, TwoProgramsNeverTakeTheSameName) {
    std::vector<std::filesystem::path> copies(8);
    {
        std::vector<std::jthread> windows;
        for (auto& copy : copies) windows.emplace_back([&] { copy = duplicateSession(file); });
    }
    EXPECT_EQ((std::set<std::filesystem::path>{copies.begin(), copies.end()}).size(), copies.size());
    for (const auto& copy : copies) expectWhole(copy);
    EXPECT_EQ(filesIn(directory.path()).size(), 9U) << "and no unfinished ones";
    // One of two windows comes too late.
    trashSession(copies[0]);
    const std::string said = refusal([&] { trashSession(copies[0]); });
    EXPECT_NE(said.find(copies[0].filename().string()), std::string::npos) << said;
}

TEST_F(SessionLibrary, AFileThatIsLockedIsSaidAndNothingIsChanged) {
    const std::string content = contentOf(file);
    SQLite::Database other(file.string(), SQLite::OPEN_READWRITE);
    other.exec("BEGIN EXCLUSIVE");
    for (const auto& action :
         {std::function<void()>([&] { renameSession(file, "x"); }),
          std::function<void()>([&] { duplicateSession(file); }), std::function<void()>([&] { compactSession(file); }),
          std::function<void()>([&] { importSession(file, directory / "library"); })}) {
        const std::string said = refusal(action);
        EXPECT_NE(said.find("another process has locked the file"), std::string::npos) << said;
        EXPECT_NE(said.find("a.mixo"), std::string::npos) << said;
    }
    other.exec("ROLLBACK");
    EXPECT_EQ(contentOf(file), content);
    EXPECT_EQ(filesIn(directory.path()), (std::set<std::string>{"a.mixo", "library"}));
    EXPECT_TRUE(filesIn(directory / "library").empty());
}

TEST_F(SessionLibrary, AReadOnlyFolderIsSaidAndNothingIsChanged) {
    const std::string content = contentOf(file);
    const test::ReadOnlyDirectory read_only(directory.path());
    for (const auto& action :
         {std::function<void()>([&] { renameSession(file, "x"); }),
          std::function<void()>([&] { duplicateSession(file); }), std::function<void()>([&] { compactSession(file); }),
          std::function<void()>([&] { trashSession(file); })}) {
        const std::string said = refusal(action);
        EXPECT_NE(said.find(directory.path().string()), std::string::npos) << said;
    }
    EXPECT_EQ(contentOf(file), content);
    EXPECT_EQ(filesIn(directory.path()), (std::set<std::string>{"a.mixo"}));
}

TEST_F(SessionLibrary, ThumbnailsShowHowTheFirstRowsWereSpread) {
    const SessionThumbnail picture = thumbnailOf(file, 10);
    EXPECT_EQ(picture.layers, 3);
    EXPECT_EQ(picture.experts, 16);
    std::vector<float> expected(3 * 16, 0.0F);
    std::int64_t rows = 0;
    for (const test::Record& record : records) {
        if (record.is_event || record.row.trace.serial >= 10) continue;
        ++rows;
        for (std::size_t cell = 0; cell < record.row.ids.size(); ++cell)
            expected[cell / 4 * 16 + static_cast<std::size_t>(record.row.ids[cell])] += 1.0F;
    }
    EXPECT_EQ(picture.rows, rows);
    ASSERT_GT(rows, 5);
    for (std::size_t cell = 0; cell < expected.size(); ++cell)
        EXPECT_FLOAT_EQ(picture.shares[cell], expected[cell] / static_cast<float>(4 * rows)) << cell;
}

}  // namespace
}  // namespace mixoscope
