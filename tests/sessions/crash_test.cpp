// A process that records is killed at random moments: the file opens, is sound, and holds everything acknowledged.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "sessions/recorder.h"
#include "sessions/session_file.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

extern char** environ;

namespace mixoscope {
namespace {

constexpr TraceShape kShape{4, 4, 32, false};
constexpr const char* kChildVariable = "MIXOSCOPE_TEST_RECORD_UNTIL_KILLED";
constexpr int kAcknowledgeTo = 3;  // the child's end of the pipe
constexpr std::uint32_t kSeed = 12;

/// In a process that was started for it: records until it is killed, telling its parent what is committed.
class RecordUntilKilled : public testing::Environment {
public:
    void SetUp() override {
        const char* const file = std::getenv(kChildVariable);
        if (file == nullptr) return;
        test::RingAndKeeper sink(kShape, 4096);
        test::SyntheticEngine engine(kShape, kSeed, sink);
        Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        for (int turn = 0;; ++turn) {
            recorder.addMessage(turn, Role::kUser, "question", ThinkingMode::kThink);
            engine.play(0, {.kept = 0, .prompt = 20, .thinking = 3, .answer = 4});
            sink.kept.records.clear();
            if (turn % 3 != 0) continue;
            if (!recorder.flush()) _exit(2);  // the parent sees the pipe end
            const std::int64_t serial = engine.serial();
            if (write(kAcknowledgeTo, &serial, sizeof(serial)) != sizeof(serial)) _exit(1);
        }
    }
};
const testing::Environment* const kRecordUntilKilled = testing::AddGlobalTestEnvironment(new RecordUntilKilled);

struct Child {
    pid_t pid = -1;
    int acknowledgements = -1;
};

Child startChild(const std::filesystem::path& file) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    std::string variable = kChildVariable;
    variable += '=';
    variable += file.string();
    std::vector<std::string> environment{variable};
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    std::vector<char*> pointers;
    for (std::string& entry : environment) pointers.push_back(entry.data());
    pointers.push_back(nullptr);
    std::string program = "/proc/self/exe";
    std::string filter = "--gtest_filter=Crash.*";
    char* arguments[] = {program.data(), filter.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], kAcknowledgeTo);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    Child child;
    EXPECT_EQ(posix_spawn(&child.pid, program.c_str(), &actions, nullptr, arguments, pointers.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child.acknowledgements = ends[0];
    return child;
}

/// Records that the child acknowledged, after `count` acknowledgements and `extra_us` more it is killed.
std::int64_t killAfter(const Child& child, int count, useconds_t extra_us) {
    std::int64_t acknowledged = 0;
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(read(child.acknowledgements, &acknowledged, sizeof(acknowledged)),
                  static_cast<ssize_t>(sizeof(acknowledged)));
    usleep(extra_us);  // the moment of death is meant to be arbitrary
    kill(child.pid, SIGKILL);
    int status = 0;
    waitpid(child.pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    std::int64_t last = 0;
    while (read(child.acknowledgements, &last, sizeof(last)) == static_cast<ssize_t>(sizeof(last))) acknowledged = last;
    close(child.acknowledgements);
    return acknowledged;
}

/// A killed process loses nothing that it has given to the kernel, whatever the file system. In memory the rounds do
/// not wait for a disk, which under load can take longer than a test may.
void keepFilesInMemory() {
    std::error_code failure;
    if (std::filesystem::is_directory("/dev/shm", failure) && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
}

TEST(Crash, aKilledRecordingOpensAndHoldsEverythingAcknowledged) {
    keepFilesInMemory();
    constexpr int kRounds = 24;
    std::mt19937 random(kSeed);
    test::KeepingSink expected;
    test::SyntheticEngine engine(kShape, kSeed, expected);
    for (int round = 0; round < kRounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const test::TemporaryDirectory directory;
        const auto file = directory / "killed.mixo";
        const Child child = startChild(file);
        ASSERT_GT(child.pid, 0);
        const int count = std::uniform_int_distribution<int>(1, 4)(random);
        const auto extra = std::uniform_int_distribution<useconds_t>(0, 20'000)(random);
        const std::int64_t acknowledged = killAfter(child, count, extra);
        ASSERT_GT(acknowledged, 0);

        const auto records = test::replayed(file);
        ASSERT_GE(static_cast<std::int64_t>(records.size()), acknowledged);
        while (expected.records.size() < records.size())
            engine.play(0, {.kept = 0, .prompt = 20, .thinking = 3, .answer = 4});
        for (std::size_t i = 0; i < records.size(); ++i)
            ASSERT_TRUE(test::sameRecord(records[i], expected.records[i])) << "record " << i;
        const SessionReader reader(file);
        EXPECT_EQ(reader.rowCount() + reader.eventCount(), static_cast<std::int64_t>(records.size()));
        SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
        EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
    }
}

}  // namespace
}  // namespace mixoscope
