// Files of earlier versions, stored as they were written: they are read as they are, and brought to today's version
// whole.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <span>

#include "engine/error.h"
#include "sessions/csv_export.h"
#include "sessions/experiment_results.h"
#include "sessions/experiment_store.h"
#include "sessions/new_session_file.h"
#include "sessions/npz_export.h"
#include "sessions/schema.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "sessions/session_list.h"
#include "sessions/session_replay.h"
#include "sessions/session_snapshot.h"
#include "support/paths.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

std::filesystem::path fileOf(int version) {
    return test::goldenDirectory() / "sessions" / ("version" + std::to_string(version) + ".mixo");
}

/// A conversation of one turn, recorded by the session code of version 1.
std::filesystem::path version1() {
    return fileOf(1);
}

/// A comparison of two lanes, judged on the baseline's tokens. Written by the last session code of version 2 (today's
/// without the schema's third step; nothing else of it has changed) with
/// `compare --prompt 2+3? --greedy --forced --max-tokens 8 --lane policy=model --lane policy=top-k:k=1`.
std::filesystem::path version2() {
    return fileOf(2);
}

/// An experiment of four items, two policies and two budgets, swept on the demo model by the session code of version 3.
std::filesystem::path version3() {
    return fileOf(3);
}

/// Copied, brought to today's version in place.
void migrate(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::copy_file(from, to);
    SQLite::Database database(to.string(), SQLite::OPEN_READWRITE);
    migrateSession(database);
}

std::string refusal(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

int versionOf(const std::filesystem::path& file) {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
    return database.execAndGet("PRAGMA user_version").getInt();
}

/// The recording's turn: 17 tokens of prompt, then 12 that were generated, the last one of which was not fed.
void expectWhole(const std::filesystem::path& file) {
    const SessionReader reader(file);
    EXPECT_EQ(reader.rowCount(), 28);
    EXPECT_EQ(reader.lostCount(), 0);
    EXPECT_TRUE(reader.lanes().empty()) << "it has one lane, the conversation";
    EXPECT_TRUE(reader.forcedTokens(0).empty());
    EXPECT_TRUE(reader.attributions().empty());
    const auto records = test::replayed(file);
    int chosen = 0;
    for (const test::Record& record : records) {
        if (record.is_event) continue;
        EXPECT_FALSE(record.row.view().expert_ids.empty());
        if (record.row.view().next.id >= 0) ++chosen;
    }
    EXPECT_EQ(chosen, 12);
    EXPECT_EQ(static_cast<std::int64_t>(records.size()), reader.rowCount() + reader.eventCount());
}

/// Two free lanes of 12 tokens of prompt and 8 that were generated, each fed once more to be judged.
void expectWholeComparison(const std::filesystem::path& file) {
    const SessionReader reader(file);
    EXPECT_EQ(reader.rowCount(), 76);
    EXPECT_EQ(reader.lostCount(), 0);
    const std::vector<LaneOrigin> lanes = reader.lanes();
    ASSERT_EQ(lanes.size(), 4U);
    EXPECT_EQ(lanes[0].role, LaneRole::kCompared);
    EXPECT_EQ(lanes[0].settings.policy, "model");
    EXPECT_EQ(lanes[1].settings.policy, "top-k:k=1");
    EXPECT_EQ(lanes[2].role, LaneRole::kForced);
    EXPECT_EQ(lanes[3].parent, lanes[1].lane);
    for (const LaneOrigin& lane : lanes)
        EXPECT_EQ(reader.forcedTokens(lane.lane).size(), lane.role == LaneRole::kForced ? 8U : 0U);
    EXPECT_EQ(reader.metadata("forced_complete"), "1");
    EXPECT_EQ(static_cast<std::int64_t>(test::replayed(file).size()), reader.rowCount() + reader.eventCount());
    const auto shown = snapshotOfSession(file);
    ASSERT_TRUE(shown->comparison);
    ASSERT_EQ(shown->comparison->lanes.size(), 2U);
    EXPECT_EQ(shown->comparison->lanes[1].quality.tokens, 8);
    EXPECT_GT(shown->comparison->lanes[1].quality.nll_change.mean, 0.0) << "one expert of four predicts worse";
    EXPECT_EQ(shown->comparison->lanes[1].forced_generated.ranPerLayer(), 1.0);
}

void expectWholeExperiment(const std::filesystem::path& file) {
    const ExperimentStore store = ExperimentStore::open(file);
    EXPECT_EQ(store.done().size(), 16U);
    const ExperimentIdentity identity = store.identity();
    ExperimentTally tally(std::make_shared<const ExperimentFrame>(
        frameOf(parseExperiment(std::as_bytes(std::span(identity.experiment_json)), file), store.facts())));
    store.forRuns([&](const RunResult& run) { tally.add(run); });
    const std::vector<CellResult>& results = tally.results();
    ASSERT_EQ(results.size(), 4U);
    const std::int64_t correct[] = {4, 1, 2, 1};  // as it said when it was swept
    for (std::size_t cell = 0; cell < results.size(); ++cell) {
        EXPECT_EQ(results[cell].accuracy.successes, correct[cell]) << cell;
        EXPECT_EQ(results[cell].accuracy.trials, 4) << cell;
    }
    EXPECT_DOUBLE_EQ(results[0].thinking_tokens.mean, 62.75);
    EXPECT_DOUBLE_EQ(results[2].active_experts, 1.0);
}

/// Every table and index with the statement that made it.
std::vector<std::string> tablesOf(const std::filesystem::path& file) {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
    SQLite::Statement select(database, "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_master ORDER BY name");
    std::vector<std::string> tables;
    while (select.executeStep()) tables.push_back(select.getColumn(0).getString());
    return tables;
}

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SessionVersion, AFileOfEachIsKept) {
    for (int version = 1; version <= kSessionVersion; ++version) {
        ASSERT_TRUE(std::filesystem::exists(fileOf(version))) << "who adds a version keeps a file of the one before";
        EXPECT_EQ(versionOf(fileOf(version)), version);
    }
}

TEST(SessionVersion, WhateverIsBroughtToTodaysHasTheTablesOfANewFile) {
    const test::TemporaryDirectory directory;
    createSessionFile(directory / "new.mixo", [](SQLite::Database&) {});
    const std::vector<std::string> today = tablesOf(directory / "new.mixo");
    EXPECT_GT(today.size(), 12U);
    for (int version = 1; version <= kSessionVersion; ++version) {
        SCOPED_TRACE("version " + std::to_string(version));
        const std::filesystem::path file = directory / (std::to_string(version) + ".mixo");
        migrate(fileOf(version), file);
        EXPECT_EQ(versionOf(file), kSessionVersion);
        EXPECT_EQ(tablesOf(file), today);
        SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
        EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
    }
}

/// Titles, tags and bookmarks are kept in what all versions have.
TEST(SessionVersion, AFileOfAnEarlierVersionIsChangedCopiedAndCompactedAsItIs) {
    const test::TemporaryDirectory directory;
    const std::pair<int, void (*)(const std::filesystem::path&)> versions[] = {{1, expectWhole},
                                                                               {2, expectWholeComparison}};
    for (const auto& [version, expect_whole] : versions) {
        SCOPED_TRACE("version " + std::to_string(version));
        const std::filesystem::path file = directory / (std::to_string(version) + ".mixo");
        std::filesystem::copy_file(fileOf(version), file);
        renameSession(file, "another title");
        setSessionTags(file, {std::string(50'000, 'x')});
        setSessionTags(file, {"tag"});
        setSessionBookmark(file, {.row = 5, .note = "note"});
        EXPECT_GT(compactSession(file), 40'000);
        for (const std::filesystem::path& changed : {file, duplicateSession(file)}) {
            EXPECT_EQ(versionOf(changed), version);
            const SessionReader reader(changed);
            EXPECT_EQ(sessionTags(reader), std::vector<std::string>{"tag"});
            EXPECT_EQ(sessionBookmarks(reader).size(), 1U);
            expect_whole(changed);
        }
    }
}

/// Whatever one does to it: it is refused with its name, its version and what to do, and stays as it is.
TEST(SessionVersion, AFileOfALaterVersionIsRefusedByEveryoneAndNotChanged) {
    const test::TemporaryDirectory directory;
    for (int version = 2; version <= kSessionVersion; ++version) {
        const std::filesystem::path file = directory / ("later" + std::to_string(version) + ".mixo");
        std::filesystem::copy_file(fileOf(version), file);
        SQLite::Database(file.string(), SQLite::OPEN_READWRITE)
            .exec("PRAGMA user_version = " + std::to_string(kSessionVersion + 1));
        const std::string before = contentOf(file);
        const std::function<void()> actions[] = {
            [&] { SessionReplay replay(file); },
            [&] { exportCsv(file, directory / "csv"); },
            [&] { exportNpz(file, directory / "a.npz"); },
            [&] { renameSession(file, "x"); },
            [&] { setSessionBookmark(file, {.row = 1, .note = {}}); },
            [&] { duplicateSession(file); },
            [&] { compactSession(file); },
            [&] { importSession(file, directory / "library"); },
            [&] { ExperimentStore::open(file); },
        };
        for (const auto& action : actions) {
            const std::string said = refusal(action);
            EXPECT_NE(said.find(file.string() + ", user_version"), std::string::npos) << said;
            EXPECT_NE(said.find("newer version"), std::string::npos) << said;
            EXPECT_NE(said.find("found " + std::to_string(kSessionVersion + 1)), std::string::npos) << said;
        }
        EXPECT_EQ(contentOf(file), before);
    }
    for (const ListedSession& listed : SessionList().list(directory.path())) {
        ASSERT_TRUE(listed.error.has_value());
        EXPECT_NE(listed.error->what.find("newer version"), std::string::npos);
    }
    EXPECT_FALSE(std::filesystem::exists(directory / "a.npz"));
    EXPECT_TRUE(std::filesystem::is_empty(directory / "library"));
}

TEST(SessionVersion, AFileOfVersionThreeIsReadAndNotChanged) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "a.mixo";
    std::filesystem::copy_file(version3(), file);
    expectWholeExperiment(file);
    EXPECT_EQ(versionOf(file), 3);
    EXPECT_EQ(contentOf(file), contentOf(version3()));
}

/// What was run before texts were scored has scored nothing.
TEST(SessionVersion, AnExperimentOfVersionThreeIsGoneOnWith) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "resumed.mixo";
    std::filesystem::copy_file(version3(), file);
    ExperimentIdentity other = ExperimentStore::open(file).identity();
    other.model_hash = "another";
    EXPECT_THROW(ExperimentStore::resume(file, other), Error);
    EXPECT_EQ(versionOf(file), 3) << "what is refused is not changed";
    ExperimentStore store = ExperimentStore::resume(file, ExperimentStore::open(file).identity());
    EXPECT_EQ(versionOf(file), kSessionVersion);
    expectWholeExperiment(file);
    store.forRuns([&](const RunResult& found) {
        EXPECT_EQ(found.measures.scored_tokens, 0);
        EXPECT_EQ(found.measures.nll, 0.0);
    });
    RunResult run;
    run.key = {0, 4};
    run.measures.load.resize(store.facts().loadCounts());
    run.measures.scored_tokens = 5;
    run.measures.nll = 12.5;
    store.add(run);
    run.key = {0, 5};
    run.measures.nll = std::numeric_limits<double>::quiet_NaN();
    store.add(run);
    store.commit();
    store.forRuns([&](const RunResult& found) {
        if (found.key == RunKey{0, 4}) {
            EXPECT_EQ(found.measures.scored_tokens, 5);
            EXPECT_EQ(found.measures.nll, 12.5);
        }
        EXPECT_EQ(std::isnan(found.measures.nll), (found.key == RunKey{0, 5})) << "not a number stays none";
    });
    EXPECT_EQ(store.done().size(), 18U);
}

TEST(SessionVersion, AFileOfVersionThreeIsBroughtToTodaysWhole) {
    const test::TemporaryDirectory directory;
    migrate(version3(), directory / "migrated.mixo");
    expectWholeExperiment(directory / "migrated.mixo");
}

TEST(SessionVersion, AFileOfVersionTwoIsReadAndNotChanged) {
    ASSERT_EQ(versionOf(version2()), 2);
    const auto before = std::filesystem::last_write_time(version2());
    expectWholeComparison(version2());
    EXPECT_EQ(versionOf(version2()), 2);
    EXPECT_EQ(std::filesystem::last_write_time(version2()), before);
}

TEST(SessionVersion, AFileOfVersionTwoIsBroughtToTodaysWhole) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "migrated.mixo";
    migrate(version2(), file);
    EXPECT_EQ(versionOf(file), kSessionVersion);
    expectWholeComparison(file);
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY);
    EXPECT_TRUE(database.tableExists("runs"));
    EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST(SessionVersion, AFileOfVersionOneIsReadAndNotChanged) {
    ASSERT_EQ(versionOf(version1()), 1);
    const auto before = std::filesystem::last_write_time(version1());
    expectWhole(version1());
    EXPECT_EQ(versionOf(version1()), 1);
    EXPECT_EQ(std::filesystem::last_write_time(version1()), before);
}

TEST(SessionVersion, AFileOfVersionOneIsBroughtToTodaysWhole) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "migrated.mixo";
    migrate(version1(), file);
    EXPECT_EQ(versionOf(file), kSessionVersion);
    expectWhole(file);
}

}  // namespace
}  // namespace mixoscope
