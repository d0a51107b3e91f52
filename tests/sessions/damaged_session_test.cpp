// What is in a session file is not trusted: figures that readers would go by are refused before anybody does.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <gtest/gtest.h>

#include "engine/error.h"
#include "sessions/recorded_conversation.h"
#include "sessions/session_file.h"
#include "sessions/session_replay.h"
#include "support/every_reader.h"
#include "support/paths.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::TemporaryDirectory;

constexpr TraceShape kShape{3, 4, 16, false};

/// A session of two turns, a fork of the second and one measured token, changed by an SQL statement.
class DamagedSession : public testing::Test {
protected:
    void record() {
        std::filesystem::remove(file);
        test::RingAndKeeper sink(kShape, 4096);
        test::SyntheticEngine engine(kShape, 7, sink);
        Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        recorder.addMessage(0, Role::kUser, "question", ThinkingMode::kThink);
        recorder.addTurnSettings(0, 0, {});
        recorder.addLane({.lane = 0, .change = {}, .settings = {}});
        engine.play(0, {.prompt = 12, .thinking = 5, .answer = 6});
        recorder.addLane(
            {.lane = 1, .role = LaneRole::kFork, .parent = 0, .position = 15, .change = {}, .settings = {}});
        LaneEvent forked;
        forked.lane = 1;
        forked.kind = LaneEventKind::kForked;
        forked.position = 15;
        forked.old_value = 14;
        engine.event(forked);
        engine.play(1, {.kept = 12, .prompt = 12, .thinking = 3, .answer = 4});
        auto measured = std::make_shared<AttributionSnapshot>();
        measured->position = 14;
        measured->layers = kShape.moe_layers;
        measured->slots = kShape.slots;
        measured->experts.assign(12, 3);
        measured->changes.assign(12, -0.5);
        recorder.addAttribution(measured);
        ASSERT_TRUE(recorder.flush());
    }
    /// What it says is looked at elsewhere.
    void goOnWith(std::int64_t step) const {
        try {
            const RecordedConversation recorded(file, step);
        } catch (const Error&) {
        }
    }
    /// What is said when everything in the file is read; empty: nothing.
    std::string refusal() const {
        try {
            SessionReplay replay(file);
            while (replay.readMore(64)) {
            }
            for (std::int64_t step = 1; step <= replay.index()->count(); ++step) {
                replay.seek(step);
                replay.snapshot();
            }
            goOnWith(replay.index()->count());
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }
    std::string refusalAfter(const std::string& sql) {
        record();
        { SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec(sql); }
        return refusal();
    }

    TemporaryDirectory directory;
    std::filesystem::path file = directory / "a.mixo";
};

TEST_F(DamagedSession, IsReadWhereNothingIsDamaged) {
    record();
    EXPECT_EQ(refusal(), "");
    EXPECT_EQ(SessionReader(file).attributions().size(), 1U);
}

TEST_F(DamagedSession, FiguresThatReadersGoByAreRefused) {
    const std::string last_event = "(SELECT max(serial) FROM events)";
    const std::pair<std::string, const char*> damage[] = {
        {"UPDATE events SET value = -5 WHERE kind = 0", "table events, serial 0, value"},
        {"UPDATE events SET value = 3000000000 WHERE kind = 0", "table events, serial 0, value"},
        {"UPDATE events SET value = 7 WHERE kind = 8", "expected 0 to 6; found 7"},
        {"UPDATE events SET old_value = -1 WHERE kind = 12", "old_value"},
        {"UPDATE events SET position = -2 WHERE kind = 12", "position"},
        {"UPDATE events SET lane = -1 WHERE kind = 12", "lane"},
        {"UPDATE events SET time_us = 9223372036854775807 WHERE kind = 0", "time_us"},
        {"UPDATE events SET serial = -1 WHERE serial = 0", ""},  // never looked at: there are none before the first
        {"UPDATE events SET serial = 9223372036854775807 WHERE serial = " + last_event, "serial"},
        {"UPDATE rows SET step_end_us = 9223372036854775807 WHERE position = 3", "step_end_us"},
        {"UPDATE rows SET lane = -1 WHERE position = 3", "lane"},
        {"UPDATE lanes SET parent = 1 WHERE lane = 1", "parent: The session is damaged; expected -1 to 0; found 1"},
        {"UPDATE lanes SET position = -1 WHERE lane = 1", "table lanes, serial 1, position"},
        {"UPDATE lanes SET lane = -1 WHERE lane = 1", "lane"},
        {"UPDATE attributions SET layers = 4096", "expected 0 to 3; found 4096"},
        {"UPDATE attributions SET slots = 32767", "expected 0 to 4; found 32767"},
        {"UPDATE attribution_cells SET expert = 16 WHERE layer = 0 AND slot = 0", "expected 0 to 15; found 16"},
        {"UPDATE messages SET role = 9", "role"},
        {"UPDATE messages SET mode = -1", "mode"},
        // So large that a chunk of a lane's rows would take gigabytes.
        {"UPDATE model SET slots = 32767", "moe_layers × the larger of slots and experts"},
        {"UPDATE model SET experts = 32767", "moe_layers × the larger of slots and experts"}};
    for (const auto& [statement, message] : damage) {
        const std::string said = refusalAfter(statement);
        if (*message == '\0') {
            EXPECT_EQ(said, "") << statement;
        } else {
            EXPECT_NE(said.find(message), std::string::npos) << statement << ": " << said;
        }
    }
}

/// Changes a column in all rows of a table or in the last one. False: the database would not have it.
bool damage(const std::filesystem::path& file, const std::string& table, const std::string& column,
            const std::string& value, bool everywhere) {
    SQLite::Database database(file.string(), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA ignore_check_constraints = ON");
    try {
        database.exec("UPDATE " + table + " SET " + column + " = " + value +
                      (everywhere ? "" : " WHERE rowid = (SELECT max(rowid) FROM " + table + ")"));
    } catch (const SQLite::Exception&) {
        return false;
    }
    return true;
}

class EveryFigure : public DamagedSession, public testing::WithParamInterface<const char*> {};

/// What comes of it is an Error or a picture of something: nothing else is thrown, nothing crashes.
TEST_P(EveryFigure, LeadsNobodyAstrayWhateverItIs) {
    if (*GetParam() == '\0') {
        record();
    } else {
        std::filesystem::copy_file(test::goldenDirectory() / "sessions" / GetParam(), file);
    }
    std::vector<std::pair<std::string, std::string>> columns;
    {
        SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
        SQLite::Statement select(database,
                                 "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
                                 " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'");
        while (select.executeStep())
            columns.emplace_back(select.getColumn(0).getString(), select.getColumn(1).getString());
    }
    ASSERT_GT(columns.size(), 60U);
    const std::filesystem::path damaged = directory / "damaged.mixo";
    int changed = 0;
    for (const auto& [table, column] : columns) {
        bool everywhere = false;
        for (const char* value : {"-1", "2147483647", "9223372036854775807", "'[[1]]'", "x'00ff8001'"}) {
            everywhere = !everywhere;
            SCOPED_TRACE(table + "." + column + " = " + value + (everywhere ? ", all" : ", the last"));
            std::filesystem::copy_file(file, damaged, std::filesystem::copy_options::overwrite_existing);
            if (!damage(damaged, table, column, value, everywhere)) continue;
            ++changed;
            ASSERT_NO_THROW(test::readInEveryWay(damaged, directory.path()));
        }
    }
    EXPECT_GT(changed, 300);
}

INSTANTIATE_TEST_SUITE_P(All, EveryFigure, testing::Values("", "version2.mixo"),
                         [](const auto& info) { return "Session" + std::to_string(info.index); });

/// Which is how long reading would take if it went through it piece by piece.
TEST_F(DamagedSession, AGapOfAnyLengthIsPassedOverAtOnce) {
    EXPECT_EQ(refusalAfter("UPDATE events SET serial = 4503599627370496"
                           " WHERE serial = (SELECT max(serial) FROM events)"),
              "");
}

TEST_F(DamagedSession, ReadingEndsWhenItIsCancelled) {
    {
        test::RingAndKeeper sink(kShape, 4096);
        test::SyntheticEngine engine(kShape, 3, sink);
        const Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        engine.play(0, {.prompt = 20, .thinking = 700, .answer = 10});
    }
    bool cancelled = false;
    const SessionReader reader(file, [&] { return cancelled; });
    const std::int64_t rows = reader.rowCount();
    ASSERT_GT(rows, 700);
    std::int64_t seen = 0;
    const auto stops = [&](const StepTrace&) { cancelled = ++seen >= 100; };
    EXPECT_THROW(reader.replay(stops, [](const LaneEvent&) {}), Error);
    EXPECT_GE(seen, 100);
    EXPECT_LT(seen, 164) << "within few rows of " << rows;
}

}  // namespace
}  // namespace mixoscope
