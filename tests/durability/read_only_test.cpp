// Permission to write is taken away while a session is recorded: whatever was acknowledged is in the file and can be
// read without that permission, the message says what is wrong, and with the permission back everything goes on.
#include <gtest/gtest.h>

#include <set>

#include "durability/judged_recording_test.h"
#include "durability/role_process_test.h"
#include "durability/small_disk_test.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using namespace test;
using std::filesystem::perms;

enum Message : std::int32_t { kRecorded = 100 };

/// The directory and all that is in it.
void allowWriting(const std::filesystem::path& directory, bool allowed) {
    const auto change = allowed ? std::filesystem::perm_options::add : std::filesystem::perm_options::remove;
    const perms writing = perms::owner_write | perms::group_write | perms::others_write;
    std::filesystem::permissions(directory, allowed ? perms::owner_write : writing, change);
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        std::filesystem::permissions(entry.path(), allowed ? perms::owner_write : writing, change);
}

void requireNothingChangeable(const std::filesystem::path& file) {
    for (const auto& action :
         {std::function<void()>([&] { renameSession(file, "x"); }),
          std::function<void()>([&] { setSessionBookmark(file, {.row = 1, .note = "x"}); }),
          std::function<void()>([&] { duplicateSession(file); }), std::function<void()>([&] { compactSession(file); }),
          std::function<void()>([&] { trashSession(file); })})
        require(!errorOf(file, action).empty(), "changed without permission");
}

int loseWritePermission(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    becomeOrdinaryUser(directory);
    JudgedRecording recording(directory / "a.mixo", 5);
    require(recording.record(std::stoi(arguments[1])), "recording failed with permission");
    allowWriting(directory, false);
    // Who has a file open goes on writing; if not, the recorder has to say so.
    if (!recording.record(20)) recording.requireSaid("read-only");
    recording.requireWhole();
    JudgedRecording other(directory / "b.mixo", 6);
    require(!other.record(1), "a session was created without permission");
    other.requireSaid("cannot be created");
    recording.close();
    recording.requireWhole();
    requireNothingChangeable(recording.file());
    recording.requireWhole();

    allowWriting(directory, true);
    compactSession(recording.file());
    recording.requireWhole();
    require(!std::filesystem::exists(recording.file().string() + "-wal"), "the log is still beside the file");
    return 0;
}

int recordAndWait(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    becomeOrdinaryUser(directory);
    JudgedRecording recording(directory / "a.mixo", 5);
    require(recording.record(20), "recording failed");
    tellTest(kRecorded, 0, SessionReader(recording.file()).rowCount());
    for (;;) recording.record(1);
}

int readWithoutPermission(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    becomeOrdinaryUser(directory);
    allowWriting(directory, false);
    const std::filesystem::path file = directory / "a.mixo";
    std::int64_t rows = 0;
    for (const Record& record : replayed(file)) rows += record.is_event ? 0 : 1;
    require(rows == SessionReader(file).rowCount() && rows >= std::stoll(arguments[1]),
            std::to_string(rows) + " rows of " + arguments[1]);
    requireNothingChangeable(file);
    return 0;
}

int makeLogImmutable(const std::vector<std::string>& arguments) {
    const std::filesystem::path directory = arguments[0];
    requireImmutableIsObeyed(directory / "probe");
    JudgedRecording recording(directory / "a.mixo", 7);
    require(recording.record(20), "recording failed with permission");
    const std::filesystem::path log = recording.file().string() + "-wal";
    setImmutable(log, true);
    const bool goes_on = recording.record(20);
    recording.playOn();
    recording.requireWhole();
    if (!goes_on) recording.requireSaid("The session cannot be written");
    recording.close();
    recording.requireWhole();
    setImmutable(log, false);
    require(!goes_on, "an immutable file was written");
    recording.requireWhole();
    compactSession(recording.file());
    recording.requireWhole();
    return 0;
}

const RoleRegistration kRoles[] = {{"lose-write-permission", loseWritePermission},
                                   {"record-and-wait", recordAndWait},
                                   {"read-without-permission", readWithoutPermission},
                                   {"make-log-immutable", makeLogImmutable}};

TEST(ReadOnly, WhileRecordingLosesNothing) {
    for (const int turns : {1, 30, 400}) {
        SCOPED_TRACE(std::to_string(turns) + " turns before");
        const TemporaryDirectory directory;
        RoleProcess process("lose-write-permission", {directory.path().string(), std::to_string(turns)});
        ASSERT_NO_FATAL_FAILURE(process.waitDone());
        if (testing::Test::IsSkipped()) return;
    }
}

/// Its log still beside it, which to read SQLite would rather write to.
TEST(ReadOnly, LetsReadWhatAKilledRecorderLeft) {
    const TemporaryDirectory directory;
    std::int64_t rows = 0;
    {
        RoleProcess process("record-and-wait", {directory.path().string()});
        const auto recorded = process.next(std::chrono::seconds(60));
        ASSERT_TRUE(recorded);
        rows = recorded->value;
        process.kill();
        ASSERT_TRUE(process.waitKilled());
    }
    ASSERT_TRUE(std::filesystem::exists(directory / "a.mixo-wal"));
    RoleProcess("read-without-permission", {directory.path().string(), std::to_string(rows)}).waitDone();
}

/// Not even who has the file open may write.
TEST(ReadOnly, AllAtOnceEndsTheRecordingWithEverythingAcknowledged) {
    const TemporaryDirectory directory("/var/tmp");  // file systems in memory do not look while a file is open
    RoleProcess("make-log-immutable", {directory.path().string()}).waitDone();
}

}  // namespace
}  // namespace mixoscope
