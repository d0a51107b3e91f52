// Every statement that the readers of a session or an experiment run, as SQLite itself saw it, finds its records by an
// index: none goes through a whole table that grows with the tokens, and none sorts.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <mutex>
#include <set>

#include "sessions/csv_export.h"
#include "sessions/experiment_store.h"
#include "sessions/npz_export.h"
#include "sessions/perfetto_export.h"
#include "sessions/routing_replay.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "sessions/session_list.h"
#include "sessions/session_replay.h"
#include "support/paths.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

/// All statements of all connections that are opened while it lives.
class SeenStatements {
public:
    SeenStatements() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(watch)); }
    ~SeenStatements() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(watch)); }
    SeenStatements(const SeenStatements&) = delete;
    SeenStatements& operator=(const SeenStatements&) = delete;

    /// Those that look for records.
    static std::set<std::string> searching() {
        const std::lock_guard lock(mutex());
        std::set<std::string> found;
        for (const std::string& sql : texts()) {
            for (const char* verb : {"SELECT", "UPDATE", "DELETE"})
                if (sql.starts_with(verb)) found.insert(sql);
        }
        return found;
    }

private:
    static std::mutex& mutex() {
        static std::mutex one;
        return one;
    }
    static std::set<std::string>& texts() {
        static std::set<std::string> all;
        return all;
    }
    static int add(unsigned /*kind*/, void* /*unused*/, void* statement, void* /*text*/) {
        const char* const sql = sqlite3_sql(static_cast<sqlite3_stmt*>(statement));
        const std::lock_guard lock(mutex());
        if (sql != nullptr) texts().insert(sql);
        return 0;
    }
    static int watch(sqlite3* database, char** /*error*/, const sqlite3_api_routines* /*unused*/) {
        return sqlite3_trace_v2(database, SQLITE_TRACE_STMT, add, nullptr);
    }
};

/// Lines of EXPLAIN QUERY PLAN.
std::vector<std::string> planOf(SQLite::Database& database, const std::string& sql) {
    SQLite::Statement select(database, "EXPLAIN QUERY PLAN " + sql);
    std::vector<std::string> lines;
    while (select.executeStep()) lines.push_back(select.getColumn(3).getString());
    return lines;
}

/// Tables that are read whole, because all of them is wanted: some entries a turn, or a row for each run of an
/// experiment or token of a vocabulary.
bool isReadWhole(const std::string& table) {
    static const std::set<std::string> kTables = {"session",    "messages",     "turn_settings",
                                                  "lanes",      "attributions", "vocabulary",
                                                  "experiment", "runs",         "sqlite_master"};
    return kTables.contains(table);
}

void expectIndexed(SQLite::Database& database, const std::string& sql) {
    for (const std::string& line : planOf(database, sql)) {
        EXPECT_EQ(line.find("TEMP B-TREE"), std::string::npos) << line << " in " << sql;
        if (!line.starts_with("SCAN ") || line == "SCAN CONSTANT ROW") continue;
        const std::string table = line.substr(5, line.find(' ', 5) - 5);
        EXPECT_TRUE(isReadWhole(table)) << line << " in " << sql;
    }
}

void readEverything(const std::filesystem::path& session, const std::filesystem::path& out) {
    SessionReplay replay(session);
    while (replay.readMore(64)) {
    }
    for (const std::int64_t step : {std::int64_t{1}, replay.index()->count(), replay.index()->count() / 2}) {
        replay.seek(step);
        replay.snapshot();
    }
    const SessionReader reader(session);
    reader.tokenBytes(100);
    reader.firstSerialFrom(3);
    for (const LaneOrigin& lane : reader.lanes()) reader.forcedTokens(lane.lane);
    exportCsv(session, out / "csv");
    exportNpz(session, out / "a.npz");
    exportPerfetto(session, out / "a.json");
    thumbnailOf(session);
    routingOfSession(session, 0);
    SessionList().list(session.parent_path());
    setSessionTags(session, {"tag"});
    setSessionBookmark(session, {.row = 2, .note = "note"});
    duplicateSession(session);
}

TEST(QueryPlan, OfEveryReaderGoesByAnIndex) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path compared = directory / "compared.mixo";
    const std::filesystem::path recorded = directory / "recorded.mixo";
    std::filesystem::copy_file(test::goldenDirectory() / "sessions" / "version2.mixo", compared);
    const std::filesystem::path swept = directory / "swept" / "experiment.mixo";
    std::set<std::string> statements;
    {
        const SeenStatements seen;
        {
            test::RingAndKeeper sink({3, 4, 16, true}, 4096);
            test::SyntheticEngine engine({3, 4, 16, true}, 7, sink);
            Recorder recorder(test::syntheticRecording(recorded, {3, 4, 16, true}), sink.ring, sink.ring->makeReader());
            recorder.addLane({.lane = 0, .change = {}, .settings = {}});
            engine.play(0, {.prompt = 12, .thinking = 5, .answer = 6});
            auto measured = std::make_shared<AttributionSnapshot>();
            measured->position = 14;
            measured->layers = 3;
            measured->slots = 4;
            measured->experts.assign(12, 3);
            measured->changes.assign(12, -0.5);
            recorder.addAttribution(measured);
            ASSERT_TRUE(recorder.flush());
            EXPECT_EQ(SessionReader(recorded).metadata("title"), "What is 2 + 3?");
        }
        readEverything(recorded, directory.path());
        readEverything(compared, directory.path());
        ExperimentStore store = ExperimentStore::create(swept, {}, {});
        RunResult run;
        run.measures.load = {1};
        store.add(run);
        store.commit();
        store.done();
        store.facts();
        store.forRuns([](const RunResult&) {});
        holdsExperiment(swept);
        statements = SeenStatements::searching();
    }
    EXPECT_GT(statements.size(), 20U);
    for (const char* table : {"rows", "events", "forced_tokens", "attribution_cells", "vocabulary", "runs"}) {
        const bool read = std::ranges::any_of(statements, [&](const std::string& sql) {
            return sql.find(std::string("FROM ") + table) != std::string::npos;
        });
        EXPECT_TRUE(read) << table << ": nobody reads it";
    }
    SQLite::Database database(recorded.string(), SQLite::OPEN_READONLY);
    for (const std::string& sql : statements) expectIndexed(database, sql);
}

}  // namespace
}  // namespace mixoscope
