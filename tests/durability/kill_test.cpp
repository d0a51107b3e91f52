// A process that records is killed at random moments: creating a file, recording, closing it. Whatever has the name of
// a session opens, is sound, and holds everything that was acknowledged as committed.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include "durability/fault_options_test.h"
#include "durability/recording_role_test.h"
#include "sessions/session_file.h"
#include "sessions/session_replay.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::RecordingPlan;
using test::RoleMessage;

/// After that much everything must be in the file without being asked for: 250 ms are promised; the rest is for a
/// machine whose cores are all taken.
constexpr std::int64_t kCommitWithinUs = 250'000 + 1'000'000;

constexpr std::int64_t kPatienceUs = 60'000'000;

/// What the recording process told of one file before it died.
struct Told {
    std::int32_t last = test::kOpening;  // of kOpening, kOpened, kClosing, kClosed
    std::int64_t committed_rows = 0;
    std::int64_t flushed = 0;  // serial numbers
    std::int64_t turns = 0;    // whose messages were flushed
    std::vector<RoleMessage> produced;

    void add(const RoleMessage& message) {
        switch (message.kind) {
            case test::kProduced:
                produced.push_back(message);
                break;
            case test::kCommitted:
                committed_rows = std::max(committed_rows, message.value);
                break;
            case test::kFlushed:
                flushed = message.value;
                break;
            case test::kTurns:
                turns = message.value;
                break;
            default:
                last = message.kind;
        }
    }
};

struct Figures {
    std::map<std::string, int> moments;
    std::int64_t files = 0;
    std::int64_t rows = 0;
    std::int64_t acknowledged_rows = 0;
    std::int64_t lost_acknowledged = 0;
    std::int64_t dropped = 0;            // by the ring, counted in the file
    std::int64_t oldest_missing_us = 0;  // age at the kill of what was not in the file yet

    void print(std::uint32_t kills, std::uint32_t seed) const {
        std::printf("killed %u times (seed %u):", kills, seed);
        for (const auto& [moment, times] : moments) std::printf(" %d %s;", times, moment.c_str());
        std::printf(
            "\n  %lld files sound, %lld rows in them; %lld rows acknowledged, %lld of them missing; %lld dropped by the"
            " ring, all counted\n  oldest record that was not committed when the process died: %.0f ms\n",
            static_cast<long long>(files), static_cast<long long>(rows), static_cast<long long>(acknowledged_rows),
            static_cast<long long>(lost_acknowledged), static_cast<long long>(dropped),
            static_cast<double>(oldest_missing_us) / 1000.0);
    }
};

/// The recording process of one round, and what it left.
class KilledRecording {
public:
    explicit KilledRecording(const RecordingPlan& plan) : m_plan(plan) {}

    /// Kills it that long after it began with its first file, or after that was there.
    void run(std::chrono::microseconds lifetime, bool from_opened) {
        test::RoleProcess process("record-until-killed", m_plan.arguments(m_directory.path()));
        std::int64_t until = -1;
        for (;;) {
            const std::int64_t left_us = until < 0 ? kPatienceUs : until - test::monotonicUs();
            if (left_us <= 0) break;
            const auto message = process.next(std::chrono::microseconds(left_us));
            if (!message) break;
            m_told[message->file].add(*message);
            const auto begins = from_opened ? test::kOpened : test::kOpening;
            if (until < 0 && message->kind == begins) until = message->time_us + lifetime.count();
        }
        ASSERT_GE(until, 0) << "the recording did not begin";
        m_killed_us = test::monotonicUs();
        process.kill();
        ASSERT_TRUE(process.waitKilled()) << "the recording ended by itself";
        while (const auto message = process.next(std::chrono::microseconds(0))) m_told[message->file].add(*message);
    }

    void check(Figures& figures) const {
        for (const auto& [number, told] : m_told) {
            SCOPED_TRACE("file " + std::to_string(number));
            const bool dies_here = number == m_told.rbegin()->first;
            const auto file = test::recordedFile(m_directory.path(), number);
            const bool exists = std::filesystem::exists(file);
            if (dies_here) ++figures.moments[moment(told, exists)];
            ASSERT_TRUE(exists || told.last == test::kOpening);
            if (!exists) continue;
            ASSERT_NO_FATAL_FAILURE(checkFile(file, number, told, dies_here, figures));
        }
    }

private:
    static std::string moment(const Told& told, bool exists) {
        if (!exists) return "before the file was there";
        switch (told.last) {
            case test::kOpening:
                return "while the file was created";
            case test::kOpened:
                return "while recording";
            case test::kClosing:
                return "while closing";
            default:
                return "between two files";
        }
    }

    void checkFile(const std::filesystem::path& file, std::int32_t number, const Told& told, bool dies_here,
                   Figures& figures) const {
        std::int64_t rows = 0;
        std::int64_t end = 0;  // serial numbers in the file, or lost before
        ASSERT_NO_FATAL_FAILURE(checkRecords(file, number, rows, end));
        const SessionReader reader(file);
        EXPECT_EQ(reader.rowCount(), rows);
        EXPECT_GE(end, told.flushed);
        EXPECT_GE(rows, told.committed_rows);
        checkMessages(reader, told);
        checkReplay(file);
        SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
        EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");

        ++figures.files;
        figures.rows += rows;
        figures.acknowledged_rows += told.committed_rows;
        figures.lost_acknowledged += std::max<std::int64_t>(0, told.committed_rows - rows);
        figures.dropped += reader.lostCount();
        const auto missing = std::find_if(told.produced.begin(), told.produced.end(),
                                          [&](const RoleMessage& produced) { return produced.value > end; });
        if (missing == told.produced.end()) return;
        ASSERT_TRUE(dies_here) << "a session that was closed is complete";
        const std::int64_t age = m_killed_us - missing->time_us;
        EXPECT_LT(age, kCommitWithinUs);
        figures.oldest_missing_us = std::max(figures.oldest_missing_us, age);
    }

    /// Every record is the one that was recorded, none is there twice, and what is not there was counted as lost.
    void checkRecords(const std::filesystem::path& file, std::int32_t number, std::int64_t& rows,
                      std::int64_t& end) const {
        test::KeepingSink expected;
        test::SyntheticEngine engine(m_plan.shape(), m_plan.seed + static_cast<std::uint32_t>(number), expected);
        std::int64_t missing = 0;
        for (const test::Record& record : test::replayed(file)) {
            const std::int64_t serial = record.is_event ? record.event.serial : record.row.trace.serial;
            while (static_cast<std::int64_t>(expected.records.size()) <= serial)
                engine.play(0, {.kept = 0, .prompt = 20, .thinking = 3, .answer = 4});
            ASSERT_GE(serial, end);
            ASSERT_TRUE(test::sameRecord(record, expected.records[static_cast<std::size_t>(serial)]))
                << "record " << serial;
            missing += serial - end;
            end = serial + 1;
            rows += record.is_event ? 0 : 1;
        }
        EXPECT_EQ(SessionReader(file).lostCount(), missing);
    }

    static void checkMessages(const SessionReader& reader, const Told& told) {
        std::int64_t messages = 0;
        reader.messages([&](int turn, int, const std::string& text, int) {
            EXPECT_EQ(turn, messages);
            EXPECT_EQ(text, "question " + std::to_string(messages));
            ++messages;
        });
        EXPECT_GE(messages, told.turns);
    }

    /// What the window does with it, the probes' own checks included. They show a loss of the ring, and nothing else.
    static void checkReplay(const std::filesystem::path& file) {
        SessionReplay replay(file);
        while (replay.readMore(1024)) {
        }
        EXPECT_EQ(replay.rowsRead(), replay.rowsTotal());
        const WorkbenchSnapshot shown = replay.snapshot();
        if (shown.lanes.empty()) return;
        const bool lossless = SessionReader(file).lostCount() == 0;
        for (const CheckResult& check : shown.lanes.front().checks) {
            // Where the last records are the ones that were lost, no record after them shows the gap.
            if (check.kind == CheckKind::kStepGaps && !lossless) continue;
            EXPECT_EQ(check.holds, lossless || check.kind != CheckKind::kRing) << check.name << ": " << check.violation;
        }
    }

    RecordingPlan m_plan;
    test::TemporaryDirectory m_directory;
    std::map<std::int32_t, Told> m_told;  // by file
    std::int64_t m_killed_us = 0;
};

struct Round {
    RecordingPlan plan;
    bool from_opened = false;  // the lifetime counts from when the first file was there, not from its first moment
    int shortest_us = 0;
    int longest_us = 0;
};

/// Short files for creation and closing, long ones for what lies between; some that lose records, some that are only
/// committed when it is time.
Round roundOf(std::uint32_t number, std::uint32_t seed) {
    constexpr int kEndless = 100'000;
    Round round;
    round.plan.seed = seed + number;
    round.plan.flushes = number % 3 != 1;
    round.plan.distributions = number % 4 == 1;
    switch (number % 5) {
        case 0:
            round.plan.turns = 1;
            round.longest_us = 20'000;
            break;
        case 2:
            round.plan.turns = 2;
            round.longest_us = 100'000;
            break;
        default:
            round.plan.turns = kEndless;
            round.plan.ring_slots = number % 10 == 4 ? 64 : 4096;
            round.from_opened = true;
            round.longest_us = 400'000;
    }
    if (number % 25 != 1) return round;
    // Long enough that a recorder that only commits when it is told to would be found out.
    round.plan.flushes = false;
    round.shortest_us = 2'000'000;
    round.longest_us = 2'500'000;
    return round;
}

TEST(KilledRecorder, leavesSoundFilesWithEverythingAcknowledged) {
    const test::FaultOptions& options = test::faultOptions();
    std::mt19937 random(options.seed);
    Figures figures;
    for (std::uint32_t number = 0; number < options.kills; ++number) {
        SCOPED_TRACE("round " + std::to_string(number) + ", seed " + std::to_string(options.seed));
        const Round round = roundOf(number, options.seed);
        const std::chrono::microseconds lifetime(
            std::uniform_int_distribution<int>(round.shortest_us, round.longest_us)(random));
        KilledRecording recording(round.plan);
        ASSERT_NO_FATAL_FAILURE(recording.run(lifetime, round.from_opened));
        ASSERT_NO_FATAL_FAILURE(recording.check(figures));
    }
    figures.print(options.kills, options.seed);
    EXPECT_EQ(figures.lost_acknowledged, 0);
    EXPECT_GT(figures.moments["while recording"], 0);
}

}  // namespace
}  // namespace mixoscope
