// A recording is read and played on a thread of its own; whatever is wrong with the file is said once.
#include "sessions/session_player.h"

#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::TemporaryDirectory;
using namespace std::chrono_literals;

constexpr TraceShape kShape{3, 4, 16, false};

/// Takes snapshots as a window does: whenever it is woken.
class Watcher {
public:
    explicit Watcher(SessionPlayer& player) : m_player(player) {
        player.setWake([this] {
            const std::lock_guard lock(m_mutex);
            m_woken = true;
            m_changed.notify_all();
        });
    }
    ~Watcher() { m_player.setWake({}); }
    /// Waits for a snapshot of this kind; null after a minute.
    std::shared_ptr<const WorkbenchSnapshot> waitFor(const std::function<bool(const WorkbenchSnapshot&)>& wanted) {
        const auto limit = std::chrono::steady_clock::now() + 60s;
        std::unique_lock lock(m_mutex);
        for (;;) {
            if (const auto now = m_player.snapshot(); now != nullptr && wanted(*now)) return now;
            if (!m_changed.wait_until(lock, limit, [&] { return m_woken; })) return nullptr;
            m_woken = false;
        }
    }
    std::shared_ptr<const WorkbenchSnapshot> waitForStep(std::int64_t step) {
        return waitFor([step](const WorkbenchSnapshot& now) {
            return now.playback && now.playback->state == PlaybackState::kPaused && now.playback->step == step;
        });
    }
    std::shared_ptr<const WorkbenchSnapshot> waitUntilRead() {
        return waitFor([](const WorkbenchSnapshot& now) {
            return now.load_error || (now.playback && now.playback->state != PlaybackState::kReading);
        });
    }

private:
    SessionPlayer& m_player;
    std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_woken = false;
};

ErrorParts errorOf(const std::filesystem::path& file) {
    SessionPlayer player(file);
    const auto shown = Watcher(player).waitUntilRead();
    EXPECT_TRUE(shown && shown->load_error && !shown->model && shown->recorded) << file;
    if (!shown || !shown->load_error) return {};
    EXPECT_NE(shown->load_error->where.find(file.filename().string()), std::string::npos) << shown->load_error->where;
    player.play();  // nothing to play, and nothing that breaks
    player.seek(3);
    return *shown->load_error;
}

TEST(SessionPlayer, isAtTheEndOnceEverythingIsReadAndGoesWhereItIsTold) {
    const TemporaryDirectory directory;
    test::recordSession(directory / "a.mixo", kShape, 3, 5);
    SessionPlayer player(directory / "a.mixo");
    Watcher watcher(player);
    const auto read = watcher.waitUntilRead();
    ASSERT_TRUE(read && read->playback);
    const std::int64_t count = read->playback->index->count();
    EXPECT_EQ(read->playback->step, count);
    EXPECT_EQ(read->playback->rows_read, read->playback->rows_total);
    EXPECT_EQ(read->playback->state, PlaybackState::kPaused);
    EXPECT_TRUE(read->recorded);
    player.seek(2);
    player.seek(5);  // the newest place wins
    const auto there = watcher.waitForStep(5);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->lanes[0].history.rowCount(), read->playback->index->rowsAt(5));
    EXPECT_NE(there->serial, read->serial);
}

TEST(SessionPlayer, playsAtTheRecordedPaceTimesTheSpeed) {
    const TemporaryDirectory directory;
    test::recordSession(directory / "a.mixo", kShape, 1, 5);  // a step a millisecond
    SessionPlayer player(directory / "a.mixo");
    Watcher watcher(player);
    const auto read = watcher.waitUntilRead();
    ASSERT_TRUE(read && read->playback);
    const std::int64_t count = read->playback->index->count();
    ASSERT_GE(count, 7);
    player.setSpeed(0.02);  // 50 ms a step
    const auto start = std::chrono::steady_clock::now();
    player.play();
    ASSERT_TRUE(watcher.waitFor([](const WorkbenchSnapshot& now) {
        return now.playback->state == PlaybackState::kPlaying && now.playback->step == 1;
    })) << "from the end it begins anew";
    ASSERT_TRUE(watcher.waitForStep(count)) << "and pauses at the end";
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_GE(took, (count - 1) * 50ms - 5ms);
    player.setSpeed(0.0);
    player.play();
    ASSERT_TRUE(watcher.waitFor([&](const WorkbenchSnapshot& now) {
        return now.playback->speed == 0.0 && now.playback->state == PlaybackState::kPaused &&
               now.playback->step == count;
    }));
}

TEST(SessionPlayer, pausesAndGoesOnFromThere) {
    const TemporaryDirectory directory;
    test::recordSession(directory / "a.mixo", kShape, 2, 5);
    SessionPlayer player(directory / "a.mixo");
    Watcher watcher(player);
    ASSERT_TRUE(watcher.waitUntilRead());
    player.setSpeed(0.001);  // a second a step: it will not move by itself in this test
    player.seek(4);
    player.play();
    ASSERT_TRUE(watcher.waitFor([](const WorkbenchSnapshot& now) {
        return now.playback->state == PlaybackState::kPlaying && now.playback->step == 4;
    }));
    player.seek(6);
    ASSERT_TRUE(watcher.waitFor([](const WorkbenchSnapshot& now) {
        return now.playback->state == PlaybackState::kPlaying && now.playback->step == 6;
    })) << "it plays on from a new place";
    player.pause();
    ASSERT_TRUE(watcher.waitForStep(6));
}

TEST(SessionPlayer, playsALoopAgainAndAgain) {
    const TemporaryDirectory directory;
    test::recordSession(directory / "a.mixo", kShape, 2, 5);
    SessionPlayer player(directory / "a.mixo");
    Watcher watcher(player);
    const auto read = watcher.waitUntilRead();
    ASSERT_TRUE(read && read->playback);
    const std::int64_t count = read->playback->index->count();
    for (const double speed : {0.05, 0.0}) {
        SCOPED_TRACE(speed);
        player.setSpeed(speed);
        player.setLoop({.first = 3, .last = 5});
        player.seek(count);
        ASSERT_TRUE(watcher.waitForStep(count));
        player.play();
        std::int64_t highest = 0;
        for (int round = 0; round < 3; ++round) {
            ASSERT_TRUE(watcher.waitFor([&](const WorkbenchSnapshot& now) {
                if (now.playback->state == PlaybackState::kPlaying) highest = std::max(highest, now.playback->step);
                return now.playback->step == 3 && now.playback->state == PlaybackState::kPlaying;
            })) << round;
            ASSERT_TRUE(watcher.waitFor([&](const WorkbenchSnapshot& now) { return now.playback->step == 5; }))
                << round;
            EXPECT_LE(highest, 5);
        }
        player.pause();
        ASSERT_TRUE(watcher.waitFor(
            [](const WorkbenchSnapshot& now) { return now.playback->state == PlaybackState::kPaused; }));
    }
    // Without it, and with one that is none, to the end.
    player.setSpeed(0.05);
    for (const PlaybackLoop none :
         {PlaybackLoop{}, PlaybackLoop{.first = 3, .last = 3}, {.first = 2, .last = count + 1}}) {
        player.setLoop(none);
        player.seek(3);
        player.play();
        ASSERT_TRUE(watcher.waitFor(
            [](const WorkbenchSnapshot& now) { return now.playback->state == PlaybackState::kPlaying; }));
        ASSERT_TRUE(watcher.waitFor([&](const WorkbenchSnapshot& now) {
            return now.playback->step == count && now.playback->state == PlaybackState::kPaused;
        }));
    }
}

TEST(SessionPlayer, aNewSpeedActsOnTheStepThatIsAwaited) {
    const TemporaryDirectory directory;
    test::recordSession(directory / "a.mixo", kShape, 1, 5);  // a step a millisecond
    SessionPlayer player(directory / "a.mixo");
    Watcher watcher(player);
    const auto read = watcher.waitUntilRead();
    ASSERT_TRUE(read && read->playback);
    player.setSpeed(1e-6);  // a quarter of an hour a step
    player.play();
    ASSERT_TRUE(watcher.waitFor([](const WorkbenchSnapshot& now) {
        return now.playback->state == PlaybackState::kPlaying && now.playback->step == 1;
    }));
    player.setSpeed(1.0);
    EXPECT_TRUE(watcher.waitForStep(read->playback->index->count()));
}

TEST(SessionPlayer, isLeftWhileItReads) {
    const TemporaryDirectory directory;
    {
        test::RingAndKeeper sink(kShape, 4096);
        test::SyntheticEngine engine(kShape, 5, sink);
        const Recorder recorder(test::syntheticRecording(directory / "a.mixo", kShape), sink.ring,
                                sink.ring->makeReader());
        engine.play(0, {.prompt = 20, .thinking = 700, .answer = 10});
    }
    for (int attempt = 0; attempt < 20; ++attempt) {
        SessionPlayer player(directory / "a.mixo");
        player.setSpeed(0.0);
        player.play();
        std::this_thread::sleep_for(attempt * 1ms);
        const auto shown = player.snapshot();
        EXPECT_TRUE(!shown || !shown->load_error);
    }
}

TEST(SessionPlayer, readsASessionThatIsStillBeingRecorded) {
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "a.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    test::SyntheticEngine engine(kShape, 5, sink);
    Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
    engine.play(0, {.prompt = 12, .thinking = 5, .answer = 6});
    ASSERT_TRUE(recorder.flush());
    SessionPlayer player(file);
    const auto read = Watcher(player).waitUntilRead();
    ASSERT_TRUE(read && read->playback);
    EXPECT_EQ(read->playback->index->rows(), recorder.status().committed_rows);
    engine.play(0, {.kept = 5, .prompt = 12, .thinking = 5, .answer = 6});
    ASSERT_TRUE(recorder.flush()) << "reading does not hold up the recorder";
}

TEST(SessionPlayer, saysWhatIsWrongWithAFile) {
    const TemporaryDirectory directory;
    EXPECT_EQ(errorOf(directory / "absent.mixo").found, "no such file");
    std::ofstream(directory / "text.mixo") << "no database at all";
    EXPECT_NE(errorOf(directory / "text.mixo").what.find("not a session"), std::string::npos);
    std::ofstream(directory / "empty.mixo") << "";
    EXPECT_EQ(errorOf(directory / "empty.mixo").found, "an empty file");
    const auto changed = [&](const char* name, const std::string& sql) {
        test::recordSession(directory / name, kShape, 1, 5);
        SQLite::Database((directory / name).string(), SQLite::OPEN_READWRITE).exec(sql);
        return errorOf(directory / name);
    };
    EXPECT_NE(changed("newer.mixo", "PRAGMA user_version = 99").what.find("newer version"), std::string::npos);
    EXPECT_NE(changed("other.mixo", "PRAGMA application_id = 7").what.find("not a session"), std::string::npos);
    EXPECT_NE(changed("row.mixo", "UPDATE rows SET routing = x'00' WHERE serial = 9").where.find("serial 9"),
              std::string::npos);
    EXPECT_NE(changed("phase.mixo", "UPDATE rows SET phase = 77 WHERE serial = 9").where.find("phase"),
              std::string::npos);
    EXPECT_NE(changed("gone.mixo", "DROP TABLE rows").what, "");
    // A page of the middle overwritten.
    test::recordSession(directory / "page.mixo", kShape, 4, 5);
    {
        std::fstream file(directory / "page.mixo", std::ios::binary | std::ios::in | std::ios::out);
        for (int page = 3; page < 12; ++page) {
            file.seekp(4096 * page);
            file << std::string(4096, '\x5A');
        }
    }
    EXPECT_NE(errorOf(directory / "page.mixo").what.find("damaged"), std::string::npos);
}

TEST(SessionPlayer, saysThatAnotherProgramHasLockedTheFile) {
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "a.mixo";
    test::recordSession(file, kShape, 1, 5);
    SQLite::Database other(file.string(), SQLite::OPEN_READWRITE);
    other.exec("PRAGMA locking_mode = EXCLUSIVE");
    other.exec("PRAGMA journal_mode = WAL");
    other.exec("CREATE TABLE held (id INTEGER)");  // takes the lock and leaves a log beside the file
    const ErrorParts error = errorOf(file);
    EXPECT_NE(error.what.find("locked"), std::string::npos) << error.what;
}

}  // namespace
}  // namespace mixoscope
