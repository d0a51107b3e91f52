// Recording and reading back: every record in order and bit for bit, commits on request, failures that stay apart.
#include "sessions/recorder.h"

#include <SQLiteCpp/Statement.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "engine/settings_json.h"
#include "sessions/schema.h"
#include "sessions/session_file.h"
#include "sessions/session_writer.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::RingAndKeeper;
using test::SyntheticEngine;
using test::TemporaryDirectory;

constexpr TraceShape kShape{3, 4, 16, true};

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void expectSame(const std::vector<test::Record>& found, const std::vector<test::Record>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        ASSERT_TRUE(test::sameRecord(found[i], expected[i])) << "record " << i;
}

std::string integrityOf(const std::filesystem::path& path) {
    SQLite::Database database(path.string(), SQLite::OPEN_READONLY);
    return database.execAndGet("PRAGMA integrity_check").getString();
}

std::string refusal(const std::filesystem::path& path) {
    try {
        test::replayed(path);
    } catch (const Error& error) {
        EXPECT_NE(error.parts().where.find(path.filename().string()), std::string::npos) << error.what();
        return error.what();
    }
    return {};
}

TEST(Recorder, replayGivesWhatWasRecordedBitForBit) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    const auto records = test::recordSession(file, kShape, 3, 5);
    expectSame(test::replayed(file), records);
    const SessionReader reader(file);
    EXPECT_EQ(reader.model().name, "synthetic");
    EXPECT_EQ(reader.model().shape, kShape);
    EXPECT_EQ(reader.model().moe_layers, (std::vector<std::int32_t>{1, 2, 3}));
    EXPECT_EQ(reader.model().config_json, R"({"num_experts":16})");
    EXPECT_EQ(reader.model().experts_per_token, 4);
    EXPECT_TRUE(reader.model().weights_sum_to_one);
    EXPECT_EQ(reader.metadata("title"), "What is 2 + 3?");
    EXPECT_EQ(reader.metadata("nothing"), "");
    EXPECT_EQ(reader.rowCount() + reader.eventCount(), static_cast<std::int64_t>(records.size()));
    EXPECT_EQ(reader.lostCount(), 0);
    EXPECT_EQ(reader.tokenBytes(test::kSyntheticOpen), "<think>");
    std::vector<std::string> messages;
    reader.messages([&](int turn, int role, const std::string& text, int mode) {
        messages.push_back(std::to_string(turn) + std::to_string(role) + std::to_string(mode) + text);
    });
    ASSERT_EQ(messages.size(), 6U);
    EXPECT_EQ(messages[2], "110question, \"1\"\nsecond line");
    int settings = 0;
    reader.turnSettings([&](int, LaneId, const std::string& json) {
        EXPECT_EQ(settingsFromJson(json, "here"), LaneSettings{});
        ++settings;
    });
    EXPECT_EQ(settings, 3);
}

TEST(Recorder, aFinishedFileStandsAloneAndReadingLeavesItAsItIs) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    const auto records = test::recordSession(file, kShape, 1, 6);
    EXPECT_FALSE(std::filesystem::exists(file.string() + "-wal"));
    const std::string before = contentOf(file);
    EXPECT_EQ(before.substr(18, 2), "\1\1") << "the format that needs no log, also on a medium that cannot be written";
    const auto time = std::filesystem::last_write_time(file);
    expectSame(test::replayed(file), records);
    EXPECT_EQ(contentOf(file), before);
    EXPECT_EQ(std::filesystem::last_write_time(file), time);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1) << "nothing beside it";
}

TEST(Recorder, flushMakesEverythingVisibleToAnotherReader) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    RingAndKeeper sink(kShape, 1024);
    SyntheticEngine engine(kShape, 7, sink);
    Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
    for (int turn = 0; turn < 5; ++turn) {
        engine.play(0, {.kept = 0, .prompt = 5, .thinking = 1, .answer = 2});
        ASSERT_TRUE(recorder.flush());
        expectSame(test::replayed(file), sink.kept.records);
        EXPECT_TRUE(std::filesystem::exists(file.string() + "-wal")) << "readers and the writer do not wait";
    }
    const RecorderStatus status = recorder.status();
    EXPECT_EQ(status.state, RecorderStatus::State::kRecording);
    EXPECT_EQ(status.committed_rows, SessionReader(file).rowCount());
    EXPECT_GT(status.bytes, 0);
    EXPECT_EQ(status.lost, 0);
}

TEST(Recorder, flushWaitsForAllOfALongPrompt) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    RingAndKeeper sink(kShape, 8192);
    SyntheticEngine engine(kShape, 7, sink);
    Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
    engine.play(0, {.kept = 0, .prompt = 4000, .thinking = 1, .answer = 2});
    ASSERT_TRUE(recorder.flush());
    expectSame(test::replayed(file), sink.kept.records);
}

TEST(Recorder, whoeverClosesItFindsAllOfALongPromptInTheFile) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    RingAndKeeper sink(kShape, 8192);
    SyntheticEngine engine(kShape, 7, sink);
    {
        const Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        engine.play(0, {.kept = 0, .prompt = 4000, .thinking = 1, .answer = 2});
    }
    expectSame(test::replayed(file), sink.kept.records);
}

TEST(SessionReader, writesNothingBesideAFileThatNobodyHasOpen) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    test::recordSession(file, kShape, 1, 6);
    { SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec("PRAGMA journal_mode = WAL"); }
    const SessionReader reader(file);
    EXPECT_GT(reader.rowCount(), 0);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(Recorder, commitsWithoutBeingAsked) {
    const TemporaryDirectory directory;
    RingAndKeeper sink(kShape, 1024);
    SyntheticEngine engine(kShape, 7, sink);
    std::mutex mutex;
    std::condition_variable changed;
    int statuses = 0;
    RecordingOptions options = test::syntheticRecording(directory / "a.mixo", kShape);
    options.status_changed = [&] {
        const std::lock_guard lock(mutex);
        ++statuses;
        changed.notify_all();
    };
    Recorder recorder(std::move(options), sink.ring, sink.ring->makeReader());
    engine.play(0, {});
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return statuses >= 2; });  // created, then a commit; never comes if none is made
    lock.unlock();
    EXPECT_GT(recorder.status().committed_rows, 0);
}

TEST(Recorder, lossesAreCountedInTheFile) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    RingAndKeeper sink(kShape, 16);
    SyntheticEngine engine(kShape, 7, sink);
    const auto reader = sink.ring->makeReader();
    engine.play(0, {.kept = 0, .prompt = 50, .thinking = 1, .answer = 2});
    const auto total = static_cast<std::int64_t>(sink.kept.records.size());
    { const Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, reader); }
    const SessionReader session(file);
    EXPECT_EQ(session.lostCount(), total - 16);
    EXPECT_EQ(session.rowCount() + session.eventCount(), 16);
}

TEST(Recorder, neverTouchesAFileThatIsThere) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    std::ofstream(file) << "precious";
    RingAndKeeper sink(kShape, 16);
    Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
    EXPECT_FALSE(recorder.flush());
    EXPECT_EQ(recorder.status().state, RecorderStatus::State::kFailed);
    EXPECT_EQ(recorder.status().error->where, file.string());
    EXPECT_EQ(contentOf(file), "precious");
}

TEST(Recorder, aDirectoryThatCannotBeWrittenIsReportedAndTheRingGoesOn) {
    const TemporaryDirectory directory;
    std::ofstream(directory / "file") << "not a directory";
    RingAndKeeper sink(kShape, 64);
    SyntheticEngine engine(kShape, 7, sink);
    Recorder recorder(test::syntheticRecording(directory / "file" / "a.mixo", kShape), sink.ring,
                      sink.ring->makeReader());
    EXPECT_FALSE(recorder.flush());
    engine.play(0, {});
    EXPECT_FALSE(recorder.flush());
    const RecorderStatus status = recorder.status();
    ASSERT_TRUE(status.error.has_value());
    EXPECT_EQ(status.error->what, "The session file cannot be created");
    EXPECT_EQ(status.error->where, (directory / "file" / "a.mixo").string());
    EXPECT_EQ(status.error->expected, "a writable directory and a new file name");
    EXPECT_EQ(status.error->found, "Not a directory");
}

TEST(SessionError, SaysWhatTheDatabaseComplainsOf) {
    const std::pair<int, const char*> cases[] = {{SQLITE_NOTADB, "not a session of Mixoscope"},
                                                 {SQLITE_CORRUPT, "the file is damaged"},
                                                 {SQLITE_FULL, "the disk is full"},
                                                 {SQLITE_READONLY, "read-only"},
                                                 {SQLITE_BUSY, "another process has locked the file"},
                                                 {SQLITE_LOCKED, "another process has locked the file"},
                                                 {SQLITE_CANTOPEN, "cannot be opened"},
                                                 {SQLITE_IOERR, "reading or writing the file failed"}};
    for (const auto& [code, message] : cases) {
        const Error error = sessionError(SQLite::Exception("details", code), "a.mixo", "The session cannot be written");
        EXPECT_NE(error.parts().what.find(message), std::string::npos) << error.what();
        EXPECT_EQ(error.parts().where, "a.mixo");
        EXPECT_EQ(error.parts().found, "details");
    }
}

TEST(Recorder, aFailureIsMadeKnownBeforeAFlushReturns) {
    const TemporaryDirectory directory;
    std::ofstream(directory / "file") << "not a directory";
    RingAndKeeper sink(kShape, 64);
    std::atomic<bool> told = false;
    RecordingOptions options = test::syntheticRecording(directory / "file" / "a.mixo", kShape);
    options.status_changed = [&] {
        std::this_thread::sleep_for(
            std::chrono::milliseconds(20));  // a thread that lost its core; nothing waits for it
        told = true;
    };
    Recorder recorder(std::move(options), sink.ring, sink.ring->makeReader());
    EXPECT_FALSE(recorder.flush());
    EXPECT_TRUE(told);
}

TEST(Recorder, aFileThatAnotherProcessLocksEndsTheRecordingWithoutHarm) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    RingAndKeeper sink(kShape, 1024);
    SyntheticEngine engine(kShape, 7, sink);
    Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
    engine.play(0, {});
    ASSERT_TRUE(recorder.flush());
    const auto before = sink.kept.records;
    {
        SQLite::Database other(file.string(), SQLite::OPEN_READWRITE);
        other.exec("BEGIN IMMEDIATE");
        engine.play(0, {});
        EXPECT_FALSE(recorder.flush());
    }
    ASSERT_TRUE(recorder.status().error.has_value());
    EXPECT_NE(recorder.status().error->what.find("another process has locked the file"), std::string::npos);
    expectSame(test::replayed(file), before);
}

/// Runs `child` in a process of its own in which no file can grow beyond `bytes`: to SQLite a full disk.
template <typename Child>
int withFullDisk(rlim_t bytes, Child&& child) {
    const pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(child());
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#if defined(MIXO_THREAD_SANITIZER)
constexpr bool kThreadsAfterFork = false;  // the sanitizer does not support them
#else
constexpr bool kThreadsAfterFork = true;
#endif

TEST(Recorder, aFullDiskEndsTheRecordingAndKeepsWhatWasCommitted) {
    if (!kThreadsAfterFork) GTEST_SKIP() << "thread sanitizer: no threads in a forked process";
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    const auto acknowledged = directory / "rows";
    const int status = withFullDisk(400'000, [&] {
        RingAndKeeper sink(kShape, 1024);
        SyntheticEngine engine(kShape, 7, sink);
        Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        for (int turn = 0; turn < 1000; ++turn) {
            engine.play(0, {.kept = 0, .prompt = 30, .thinking = 1, .answer = 2});
            if (!recorder.flush()) {
                const ErrorParts error = recorder.status().error.value_or(ErrorParts{});
                std::ofstream(acknowledged) << recorder.status().committed_rows << ' ' << error.what;
                engine.play(0, {});  // the engine goes on
                return 0;
            }
        }
        return 1;
    });
    ASSERT_EQ(status, 0) << "the disk was never full";
    std::ifstream told(acknowledged);
    std::int64_t rows = 0;
    std::string what;
    told >> rows;
    std::getline(told, what);
    EXPECT_GT(rows, 0);
    EXPECT_NE(what.find("The session cannot be written"), std::string::npos) << what;
    EXPECT_EQ(integrityOf(file), "ok");
    std::int64_t found = 0;
    for (const auto& record : test::replayed(file)) found += record.is_event ? 0 : 1;
    EXPECT_EQ(found, rows);
}

TEST(Recorder, aFileThatCouldNotBeBegunIsNotLeftBehind) {
    if (!kThreadsAfterFork) GTEST_SKIP() << "thread sanitizer: no threads in a forked process";
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    const int status = withFullDisk(100, [&] {
        RingAndKeeper sink(kShape, 64);
        Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        return recorder.flush() ? 1 : 0;
    });
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(SessionWriter, finishesAlsoWhileSomebodyReads) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    SessionWriter writer(file, test::syntheticModel(kShape), test::syntheticBytes);
    SQLite::Database other(file.string(), SQLite::OPEN_READONLY);
    SQLite::Statement rows(other, "SELECT * FROM model");
    ASSERT_TRUE(rows.executeStep());
    EXPECT_NO_THROW(writer.finish());
}

TEST(SessionWriter, leavesNothingInTheLogOfAFileThatSomebodyHasOpen) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    SessionWriter writer(file, test::syntheticModel(kShape), test::syntheticBytes);
    SQLite::Database other(file.string(), SQLite::OPEN_READONLY);
    ASSERT_EQ(other.execAndGet("SELECT count(*) FROM model").getInt(), 1);
    writer.setMetadata("title", "written last");
    writer.finish();
    const auto alone = directory / "alone.mixo";
    std::filesystem::copy_file(file, alone);
    EXPECT_EQ(SessionReader(alone).metadata("title"), "written last");
}

TEST(SessionReader, readsAFileOfAnyName) {
    const TemporaryDirectory directory;
    const auto file = directory / "100 %41? #1.mixo";
    const auto records = test::recordSession(file, kShape, 1, 6);
    expectSame(test::replayed(file), records);
}

TEST(SessionReader, cutsAnEventsTextToItsPlace) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    test::recordSession(file, kShape, 1, 6);
    SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
        .exec("UPDATE events SET text = replace(hex(zeroblob(5000)), '0', 'x') WHERE serial = 0");
    const auto records = test::replayed(file);
    ASSERT_TRUE(records.front().is_event);
    EXPECT_EQ(std::string(records.front().event.text), std::string(sizeof(LaneEvent::text) - 1, 'x'));
}

TEST(SessionReader, refusesWhatIsNoSession) {
    const TemporaryDirectory directory;
    EXPECT_NE(refusal(directory / "none.mixo").find("no such file"), std::string::npos);
    std::ofstream(directory / "empty.mixo").flush();
    EXPECT_NE(refusal(directory / "empty.mixo").find("an empty file"), std::string::npos);
    std::ofstream(directory / "text.mixo") << std::string(5000, 'x');
    EXPECT_NE(refusal(directory / "text.mixo").find("not a session"), std::string::npos);
    EXPECT_NE(refusal(directory / "text.mixo").find("expected a SQLite database"), std::string::npos);
    std::filesystem::create_directory(directory / "dir.mixo");
    EXPECT_NE(refusal(directory / "dir.mixo").find("a directory"), std::string::npos);
    {
        SQLite::Database((directory / "other.mixo").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
            .exec("CREATE TABLE t (x)");
    }
    EXPECT_NE(refusal(directory / "other.mixo").find("application_id"), std::string::npos);
}

TEST(SessionReader, refusesANewerVersionAndLeavesItAsItIs) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    test::recordSession(file, kShape, 1, 6);
    {
        SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
            .exec("PRAGMA user_version = " + std::to_string(kSessionVersion + 1));
    }
    const std::string before = contentOf(file);
    EXPECT_NE(refusal(file).find("newer version"), std::string::npos);
    EXPECT_EQ(contentOf(file), before);
    { SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 0"); }
    EXPECT_NE(refusal(file).find("has no version"), std::string::npos);
}

TEST(SessionReader, everyDamagedPageGivesAnErrorOrTheSameRecords) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    const auto records = test::recordSession(file, kShape, 2, 6);
    const std::string good = contentOf(file);
    int noticed = 0;
    for (std::size_t page = 0; page * 4096 < good.size(); ++page) {
        std::string bad = good;
        for (std::size_t i = page * 4096 + 200; i < page * 4096 + 1200; ++i) bad[i] = static_cast<char>(bad[i] ^ 0x5A);
        const auto damaged = directory / ("page" + std::to_string(page) + ".mixo");
        std::ofstream(damaged, std::ios::binary) << bad;
        try {
            test::replayed(damaged);
        } catch (const Error& error) {
            EXPECT_FALSE(error.parts().where.empty());
            ++noticed;
        }
    }
    EXPECT_GT(noticed, 3) << "of " << good.size() / 4096 << " pages";
}

TEST(SessionReader, refusesValuesThatFitNoField) {
    const std::pair<const char*, const char*> damage[] = {
        {"UPDATE rows SET phase = 3 WHERE serial = 4", "table rows, serial 4, phase: The session is damaged"},
        {"UPDATE rows SET position = 99999999999 WHERE serial = 4", "serial 4, position"},
        {"UPDATE rows SET position = 16777217 WHERE serial = 4", "expected -1 to 16777216; found 16777217"},
        {"UPDATE rows SET position = -2 WHERE serial = 4", "serial 4, position"},
        {"UPDATE rows SET routing = x'00' WHERE serial = 4", "serial 4, routing: The routing record is too short"},
        {"UPDATE rows SET flags = 256 WHERE serial = 4", "serial 4, flags"},
        {"UPDATE events SET kind = 99 WHERE serial = 0", "table events, serial 0, kind"},
        {"UPDATE model SET moe_layers = 2000000000", "table model, moe_layers"},
        {"UPDATE model SET slots = 2000000000", "table model, slots"},
        {"UPDATE model SET weights_sum_to_one = 2", "table model, weights_sum_to_one"},
        {"UPDATE model SET layer_numbers_json = '[1'", "layer_numbers_json"},
        {"UPDATE model SET layer_numbers_json = '[1]'", "a number for each MoE layer"},
        {"UPDATE model SET layer_numbers_json = '[1,2,\"x\"]'", "a number for each MoE layer"},
        {"UPDATE model SET layer_numbers_json = '{\"a\":1,\"b\":2,\"c\":3}'", "a number for each MoE layer"},
        {"DELETE FROM model", "table model: The session is damaged; expected one row; found none"},
        {"UPDATE model SET experts = 4", "Too many probabilities; expected at most 12; found 48"},
        {"DROP TABLE events", "no such table: events"}};
    for (const auto& [statement, message] : damage) {
        const TemporaryDirectory directory;
        const auto file = directory / "a.mixo";
        test::recordSession(file, kShape, 1, 6);
        { SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec(statement); }
        EXPECT_NE(refusal(file).find(message), std::string::npos) << statement << ": " << refusal(file);
    }
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    test::recordSession(file, kShape, 1, 6);
    { SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec("DELETE FROM totals"); }
    try {
        SessionReader(file).rowCount();
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("table totals"), std::string::npos) << error.what();
    }
}

TEST(SettingsJson, roundTripsAndNamesAWrongField) {
    LaneSettings settings;
    settings.mode = ThinkingMode::kAuto;
    settings.budget = 17;
    settings.policy = "top-k:k=2";
    settings.sampling.temperature = 0.1F;
    settings.sampling.top_p = 0.7F;
    settings.sampling.top_k = 3;
    settings.sampling.min_p = 0.01F;
    settings.sampling.presence_penalty = 0.5F;
    settings.sampling.repetition_penalty = 1.1F;
    settings.sampling.greedy = true;
    settings.sampling.seed = 0xFFFFFFFFFFFFFFFFU;
    settings.early_stop.soft_rank = 4;
    settings.early_stop.soft_extra = 6;
    settings.early_stop.text = "\"quoted\"\n</think>";
    settings.max_tokens = 5;
    settings.ignore_eos = true;
    EXPECT_EQ(settingsFromJson(settingsToJson(settings), "here"), settings);
    EXPECT_THROW(settingsFromJson("{\"budget\":\"many\"}", "here"), Error);
    EXPECT_THROW(settingsFromJson("[]", "here"), Error);
    for (const char* mode : {"{\"mode\":7}", "{\"mode\":-1}"}) {
        try {
            settingsFromJson(mode, "here");
            ADD_FAILURE() << mode;
        } catch (const Error& error) {
            EXPECT_EQ(error.parts().where, "here, mode");
            EXPECT_EQ(error.parts().expected, "0 to 2");
        }
    }
}

}  // namespace
}  // namespace mixoscope
