// `replay`: a lane that executes a recorded lane's routing has its bits, whatever policy made them; forks with what
// they share; another model's session, a lane that is not there and no session at all.
#include "sessions/routing_replay.h"

#include <gtest/gtest.h>

#include "comparison_fixture_test.h"
#include "engine/routing_policy.h"

namespace mixoscope {
namespace {

using namespace test;

class RoutingReplay : public ComparisonTest {
protected:
    RoutingReplay() {
        offerSessionsToReplay();
        file = directory / "recorded.mixo";
    }
    static std::string replayOf(const std::filesystem::path& session, LaneId lane) {
        return "replay:session=" + session.string() + ",lane=" + std::to_string(lane);
    }
    std::string refusalOf(const std::string& policy) const {
        try {
            parsePolicy(policy, loaded->model);
        } catch (const Error& error) {
            return error.what();
        }
        return "(accepted)";
    }
};

TEST_F(RoutingReplay, ALaneThatRepeatsARecordedOneHasItsBits) {
    const std::filesystem::path recorded = file;
    std::vector<std::vector<unsigned char>> originals;
    {
        const auto comparison = run(fourLanes());
        for (const ComparedLane& lane : comparison->snapshot()->lanes)
            originals.push_back(bytesOf(sink, lane.origin.lane));
        ASSERT_TRUE(comparison->recorder()->flush());
    }
    file.clear();
    sink = CollectingSink();
    std::vector<LaneSettings> repeats;
    for (LaneId lane = 0; lane < 4; ++lane) repeats.push_back(laneWith(replayOf(recorded, lane)));
    const auto comparison = run(repeats);
    const auto shown = comparison->snapshot();
    for (std::size_t index = 0; index < 4; ++index) {
        const ComparedLane& lane = shown->lanes[index];
        EXPECT_EQ(bytesOf(sink, lane.origin.lane), originals[index]) << fourLanes()[index].policy;
        for (const CheckResult& check : lane.free.checks) EXPECT_TRUE(check.holds) << check.violation;
    }
    EXPECT_NE(originals[0], originals[3]);
}

TEST_F(RoutingReplay, AForkIsRepeatedWithWhatItSharesAndEditsActOnTopOfIt) {
    const std::filesystem::path recorded = file;
    std::vector<TokenId> forked;
    LaneId fork = -1;
    std::int32_t at = 0;
    {
        const auto comparison = run({laneWith("random:k=2,seed=1"), laneWith("model")});
        const ComparedLane base = comparison->snapshot()->lanes[0];
        at = base.free.turns.back().first_generated_position + 5;
        LaneSettings changed = base.settings;
        changed.policy = "hash:k=2";
        comparison->startFork({.lane = base.origin.lane, .position = at, .settings = changed, .token = {}});
        finish(*comparison);
        const ComparedLane lane = comparison->snapshot()->lanes.back();
        fork = lane.origin.lane;
        forked = generatedIds(lane.free);
        ASSERT_TRUE(comparison->recorder()->flush());
    }
    const auto routing = routingOfSession(recorded, fork);
    for (std::int64_t position = 0; position < at + 3; ++position) EXPECT_TRUE(routing->has(position)) << position;
    EXPECT_EQ(routingOfSession(recorded, fork), routing) << "read once";
    file.clear();
    LaneSettings edited = laneWith(replayOf(recorded, fork) + "+ban:experts=0-1");
    const auto comparison = run({laneWith(replayOf(recorded, fork)), edited});
    const auto shown = comparison->snapshot();
    EXPECT_EQ(generatedIds(shown->lanes[0].free), forked);
    const History& without = shown->lanes[1].free.history;
    for (std::int32_t position = 0; position < without.rowCount(); ++position) {
        for (std::int32_t layer = 0; layer < without.shape().moe_layers; ++layer) {
            for (const std::int16_t id : without.experts(position, layer)) EXPECT_TRUE(id == -1 || id > 1) << id;
        }
    }
}

TEST_F(RoutingReplay, RefusesWhatItCannotRepeat) {
    {
        const auto comparison = run({laneWith("model"), laneWith("model")});
        ASSERT_TRUE(comparison->recorder()->flush());
    }
    EXPECT_EQ(refusalOf(replayOf(file, 0)), "(accepted)");
    EXPECT_EQ(refusalOf("replay"), "(accepted)");
    EXPECT_TRUE(refusalOf(replayOf(file, 77)).find("no routing of this lane") != std::string::npos)
        << refusalOf(replayOf(file, 77));
    EXPECT_TRUE(refusalOf(replayOf(directory / "none.mixo", 0)).find("none.mixo") != std::string::npos);
    ModelConfig other = loaded->model.config;
    other.num_experts *= 2;
    EXPECT_THROW(parsePolicy(replayOf(file, 0), other), Error);
}

}  // namespace
}  // namespace mixoscope
