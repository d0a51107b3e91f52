// Every figure of a comparison's tables, computed once more from the raw rows by a script that shares nothing with the
// program: lanes that share a prompt, a fork, dropped, virtual and injected selections and tokens, forced and alone
// passes among them.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>

#include <sstream>

#include "comparison_fixture_test.h"
#include "engine/error.h"
#include "sessions/comparison_export.h"
#include "sessions/csv_export.h"
#include "sessions/csv_reader.h"
#include "support/recomputed.h"

namespace mixoscope {
namespace {

using test::ComparisonTest;
using test::fourLanes;
using test::laneWith;

TEST_F(ComparisonTest, EveryFigureOfItsTablesIsWhatTheRawRowsGive) {
    if (!test::canRecompute()) GTEST_SKIP() << "python3-numpy is not installed; app/setup.sh names it";
    file = directory / "lanes.mixo";
    std::vector<LaneSettings> lanes = fourLanes();
    lanes.push_back(laneWith("model", 77));  // shares the baseline's prompt
    lanes.push_back(laneWith("expert-choice"));
    {
        const auto comparison = run(lanes);
        comparison->startForced();
        finish(*comparison);
        const ComparedLane base = comparison->snapshot()->lanes[0];
        LaneSettings changed = base.settings;
        changed.policy = "top-k:k=4";
        comparison->startFork({.lane = base.origin.lane,
                               .position = base.free.turns.back().first_generated_position + 5,
                               .settings = changed,
                               .token = {}});
        finish(*comparison);
        comparison->startAlone();
        finish(*comparison);
        ASSERT_TRUE(comparison->recorder()->flush());
    }
    exportCsv(file, directory / "csv");
    const auto table = [&](const std::string& kind) {
        return test::WrittenTable{.kind = kind, .file = directory / "csv" / (kind + ".csv")};
    };
    const auto checked =
        test::recompute(file, {table("comparison"), table("forced"), table("balance")}, directory.path());
    EXPECT_EQ(checked.at("comparison"), 7 * 50);
    EXPECT_GT(checked.at("forced"), 6 * 9 * 10);
    EXPECT_GT(checked.at("balance"), 18 * 3 * 3 * 11);
}

}  // namespace
}  // namespace mixoscope
