// Two programs at one file: one records and the other reads, records as well, changes, copies, compacts or deletes. The
// recorder never notices, nobody loses what was acknowledged, and who cannot have what it wants is told why.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>

#include "durability/judged_recording_test.h"
#include "durability/role_process_test.h"
#include "sessions/csv_export.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using namespace test;

constexpr std::chrono::seconds kPatience{60};
constexpr const char* kStop = "stop";  // a file: the role is to end

enum Message : std::int32_t { kAcknowledged = 200, kRecorded, kRefused, kCompacted };

bool told(const std::filesystem::path& directory) {
    return std::filesystem::exists(directory / kStop);
}

void tell(const std::filesystem::path& directory) {
    std::ofstream(directory / kStop).flush();
}

/// About 2,500 rows a second until it is told to end, telling now and then how many records are acknowledged.
int recordUntilTold(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    JudgedRecording recording(directory / "a.mixo", 11);
    while (!told(directory)) {
        require(recording.record(1), "the recorder failed");
        tellTest(kAcknowledged, 0, recording.acknowledged());
        for (int turn = 0; turn < 20; ++turn) {
            recording.playOn();
            usleep(10'000);
        }
    }
    require(recording.record(1), "the recorder failed");
    recording.close();
    recording.requireWhole();
    return 0;
}

/// Begins at the same time as the other one.
int recordTheSameFile(const std::vector<std::string>& arguments) {
    const std::int64_t begin = std::stoll(arguments[2]);
    while (monotonicUs() < begin) {
    }
    JudgedRecording recording(arguments[0], static_cast<std::uint32_t>(std::stoul(arguments[1])));
    if (!recording.record(30)) {
        recording.requireSaid("cannot be created");
        tellTest(kRefused, 0, 0);
        return 0;
    }
    recording.close();
    recording.requireWhole();
    tellTest(kRecorded, 0, 0);
    return 0;
}

int compactUntilTold(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    const std::filesystem::path file = directory / "a.mixo";
    while (!told(directory)) {
        errorOf(file, [&] {
            setSessionTags(file, {std::string(100'000, 'x')});
            setSessionTags(file, {});
            if (compactSession(file) > 0) tellTest(kCompacted, 0, 0);
        });
        usleep(2000);
    }
    return 0;
}

const RoleRegistration kRoles[] = {{"record-until-told", recordUntilTold},
                                   {"record-the-same-file", recordTheSameFile},
                                   {"compact-until-told", compactUntilTold}};

std::string integrityOf(const std::filesystem::path& file) {
    return SQLite::Database(file.string(), SQLite::OPEN_READONLY).execAndGet("PRAGMA integrity_check").getString();
}

std::int64_t recordsOf(const SessionReader& reader) {
    std::int64_t last = -1;
    std::int64_t records = 0;
    const auto count = [&](const auto& record) {
        EXPECT_GT(record.serial, last);
        last = record.serial;
        ++records;
    };
    reader.replay(count, count);
    return records;
}

class BesideARecorder : public testing::Test {
protected:
    /// What the recorder has acknowledged by now.
    std::int64_t acknowledged() {
        while (const auto message = recorder.next(m_acknowledged == 0 ? kPatience : std::chrono::seconds(0)))
            m_acknowledged = message->value;
        return m_acknowledged;
    }
    void finish() {
        tell(directory.path());
        recorder.waitDone();
        EXPECT_EQ(integrityOf(file), "ok");
    }
    static std::string refusal(const std::function<void()>& action) {
        try {
            action();
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }

    TemporaryDirectory directory;
    std::filesystem::path file = directory / "a.mixo";
    RoleProcess recorder{"record-until-told", {directory.path().string()}};

private:
    std::int64_t m_acknowledged = 0;
};

TEST_F(BesideARecorder, AReaderSeesEverythingAcknowledged) {
    ASSERT_GT(acknowledged(), 0);
    const SessionReader open(file);  // for as long as the recorder records
    std::int64_t before = 0;
    for (int round = 0; round < 60; ++round) {
        const std::int64_t least = acknowledged();
        EXPECT_GE(recordsOf(SessionReader(file)), least);
        const std::int64_t now = recordsOf(open);
        EXPECT_GE(now, std::max(least, before));
        before = now;
        if (round % 20 == 0) exportCsv(file, directory / "csv");
        usleep(20'000);
    }
    finish();
    EXPECT_GE(recordsOf(open), acknowledged());
}

TEST_F(BesideARecorder, SessionsAreChangedAndCopiedButNotCompactedOrDeleted) {
    ASSERT_GT(acknowledged(), 0);
    for (int round = 1; round <= 6; ++round) {
        renameSession(file, "title " + std::to_string(round));
        setSessionTags(file, {"tag " + std::to_string(round)});
        setSessionBookmark(file, {.row = round, .note = "note"});
        const std::int64_t least = acknowledged();
        const auto copy = duplicateSession(file);
        EXPECT_GE(recordsOf(SessionReader(copy)), least);
        EXPECT_EQ(integrityOf(copy), "ok");
        for (const auto& action : {std::function<void()>([&] { trashSession(file); }),
                                   std::function<void()>([&] { compactSession(file); })}) {
            const std::string said = refusal(action);
            EXPECT_NE(said.find("it is being recorded"), std::string::npos) << said;
            EXPECT_NE(said.find("a.mixo"), std::string::npos) << said;
        }
    }
    finish();
    EXPECT_FALSE(std::filesystem::exists(file.string() + "-wal"));
    const SessionReader reader(file);
    EXPECT_EQ(reader.metadata("title"), "title 6");
    EXPECT_EQ(sessionTags(reader), std::vector<std::string>{"tag 6"});
    EXPECT_EQ(sessionBookmarks(reader).size(), 6U);
}

TEST(TwoRecorders, OfOneFileOnlyOneRecords) {
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const TemporaryDirectory directory;
        const std::filesystem::path file = directory / "a.mixo";
        const std::string begin = std::to_string(monotonicUs() + 50'000);
        RoleProcess first("record-the-same-file", {file.string(), "1", begin});
        RoleProcess second("record-the-same-file", {file.string(), "2", begin});
        std::multiset<std::int32_t> outcomes;
        for (RoleProcess* process : {&first, &second}) {
            const auto message = process->next(kPatience);
            ASSERT_TRUE(message);
            outcomes.insert(message->kind);
            ASSERT_NO_FATAL_FAILURE(process->waitDone());
        }
        EXPECT_EQ(outcomes, (std::multiset<std::int32_t>{kRecorded, kRefused}));
        EXPECT_EQ(integrityOf(file), "ok");
    }
}

TEST(TwoProgramsThatChangeAFile, LoseNoChangeToTheOneThatCompacts) {
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "a.mixo";
    const auto records = recordSession(file, {3, 4, 16, false}, 2, 6);
    RoleProcess compacting("compact-until-told", {directory.path().string()});
    ASSERT_TRUE(compacting.next(kPatience));
    constexpr std::int64_t kMarks = 200;
    std::size_t set = 0;
    for (std::int64_t row = 1; row <= kMarks; ++row) {
        try {
            setSessionBookmark(file, {.row = row, .note = "note"});
            ++set;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find("another process has locked the file"), std::string::npos)
                << error.what();
        }
        ASSERT_EQ(sessionBookmarks(SessionReader(file)).size(), set);
    }
    tell(directory.path());
    compacting.waitDone();
    int compacted = 0;
    while (compacting.next(std::chrono::seconds(0))) ++compacted;
    EXPECT_GT(compacted, 5);
    EXPECT_GT(set, kMarks / 2);
    EXPECT_EQ(integrityOf(file), "ok");
    EXPECT_EQ(sessionBookmarks(SessionReader(file)).size(), set);
    EXPECT_EQ(replayed(file).size(), records.size());
}

}  // namespace
}  // namespace mixoscope
