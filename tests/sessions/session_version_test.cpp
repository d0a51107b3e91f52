// Files of earlier versions, stored as they were written: they are read as they are, and brought to today's version
// whole.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>

#include "engine/error.h"
#include "sessions/experiment_results.h"
#include "sessions/experiment_store.h"
#include "sessions/schema.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "support/paths.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

std::filesystem::path version1() {
    return test::goldenDirectory() / "sessions" / "version1.mixo";
}

/// A comparison of two lanes, judged on the baseline's tokens. Written by the last session code of version 2 (today's
/// without the schema's third step; nothing else of it has changed) with
/// `compare --prompt 2+3? --greedy --forced --max-tokens 8 --lane policy=model --lane policy=top-k:k=1`.
std::filesystem::path version2() {
    return test::goldenDirectory() / "sessions" / "version2.mixo";
}

/// An experiment of two items under two policies, written by the last program of version 3 with `sweep`.
std::filesystem::path version3() {
    return test::goldenDirectory() / "sessions" / "version3.mixo";
}

/// Copied, brought to today's version in place.
void migrate(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::copy_file(from, to);
    SQLite::Database database(to.string(), SQLite::OPEN_READWRITE);
    migrateSession(database);
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

/// Whether each of the runs was right: the first item's answer is, whatever the policy.
void expectWholeExperiment(const ExperimentStore& store) {
    std::vector<RunResult> runs;
    store.forRuns([&](const RunResult& run) { runs.push_back(run); });
    ASSERT_EQ(runs.size(), 4U);
    for (const RunResult& run : runs) {
        EXPECT_EQ(run.correct, run.key.item == 0);
        EXPECT_EQ(run.answer_tokens, 6);
        EXPECT_EQ(run.measures.load.size(), 4U * 64U);
        EXPECT_EQ(run.measures.ran, 6 * 4 * (run.key.cell == 0 ? 4 : 1));
        EXPECT_EQ(run.measures.scored_tokens, 0);
        EXPECT_EQ(run.measures.nll, 0.0);
    }
    const std::string json = store.identity().experiment_json;
    ExperimentTally tally(std::make_shared<ExperimentFrame>(
        frameOf(parseExperiment(std::as_bytes(std::span(json)), "sums.json"), store.facts())));
    for (const RunResult& run : runs) tally.add(run);
    EXPECT_EQ(tally.results().front().accuracy.successes, 1);
    EXPECT_TRUE(std::isnan(tally.results().front().perplexity.mean));
}

TEST(SessionVersion, AnExperimentOfVersionThreeIsReadAndNotChanged) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "read.mixo";
    std::filesystem::copy_file(version3(), file);
    ASSERT_EQ(versionOf(file), 3);
    expectWholeExperiment(ExperimentStore::open(file));
    EXPECT_EQ(versionOf(file), 3);
}

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
    expectWholeExperiment(store);
    RunResult run;
    run.key = {0, 2};
    run.measures.load.resize(4 * 64);
    run.measures.scored_tokens = 5;
    run.measures.nll = 12.5;
    store.add(run);
    run.key = {0, 3};
    run.measures.nll = std::numeric_limits<double>::quiet_NaN();
    store.add(run);
    store.commit();
    store.forRuns([&](const RunResult& found) {
        if (found.key == RunKey{0, 2}) {
            EXPECT_EQ(found.measures.scored_tokens, 5);
            EXPECT_EQ(found.measures.nll, 12.5);
        }
        EXPECT_EQ(std::isnan(found.measures.nll), (found.key == RunKey{0, 3})) << "not a number stays none";
    });
    EXPECT_EQ(store.done().size(), 6U);
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
