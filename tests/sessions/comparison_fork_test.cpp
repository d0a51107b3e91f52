// Forks of compared lanes: bit-identical where nothing changes, refused where nothing can be forked.
#include <gtest/gtest.h>

#include "comparison_fixture_test.h"

namespace mixoscope {
namespace {

using namespace test;

TEST_F(ComparisonTest, ForkingWithNothingChangedIsTheSameLane) {
    const auto comparison = run({laneWith("model"), laneWith("top-k:k=1,capacity=1.25")});
    for (const std::size_t parent : {0U, 1U}) {
        for (const int after : {0, 1, 3, 15}) {
            const auto before = comparison->snapshot();
            const ComparedLane& lane = before->lanes[parent];
            ForkRequest request{.lane = lane.origin.lane,
                                .position = lane.free.turns.back().first_generated_position + after,
                                .settings = lane.settings,
                                .token = {}};
            comparison->startFork(request);
            finish(*comparison);
            const auto shown = comparison->snapshot();
            const ComparedLane& fork = shown->lanes.back();
            EXPECT_EQ(fork.origin.role, LaneRole::kFork);
            EXPECT_EQ(fork.origin.parent, lane.origin.lane);
            EXPECT_EQ(fork.origin.change, "");
            EXPECT_EQ(generatedIds(fork.free), generatedIds(lane.free)) << "after " << after;
            EXPECT_EQ(fork.free.turns.back().answer_text, lane.free.turns.back().answer_text);
            EXPECT_EQ(fork.free.turns.back().thinking_text, lane.free.turns.back().thinking_text);
            EXPECT_EQ(fork.free.turns.back().thinking_tokens, lane.free.turns.back().thinking_tokens);
            EXPECT_EQ(fork.free_generated, lane.free_generated);
            EXPECT_EQ(fork.free_prompt, lane.free_prompt);
            // A policy that goes by a whole step has the step computed again.
            const std::int32_t first_row = sink.ofLane(fork.origin.lane).front().trace.token.position;
            EXPECT_LT(first_row, fork.origin.position);
            EXPECT_EQ(bytesOf(sink, fork.origin.lane), bytesOf(sink, lane.origin.lane, first_row));
            for (const CheckResult& check : fork.free.checks) EXPECT_TRUE(check.holds) << check.violation;
            comparison->removeLane(shown->lanes.size() - 1);
            finish(*comparison);
        }
    }
}

TEST_F(ComparisonTest, AForkSaysWhatItChangesAndIsRefusedWhereNothingCanBeForked) {
    const auto comparison = run({laneWith("model"), laneWith("top-k:k=1")});
    const auto shown = comparison->snapshot();
    const ComparedLane& base = shown->lanes[0];
    LaneSettings changed = base.settings;
    changed.policy = "model+ban:experts=2,layers=1";
    const std::int32_t at = base.free.turns.back().first_generated_position + 2;
    const TokenId other = base.free.history.token(at).trace.id == 'x' ? 'y' : 'x';
    comparison->startFork({.lane = base.origin.lane, .position = at, .settings = changed, .token = other});
    finish(*comparison);
    const ComparedLane fork = comparison->snapshot()->lanes.back();
    EXPECT_EQ(fork.origin.position, at);
    EXPECT_EQ(fork.origin.change,
              std::string("policy model → model+ban:experts=2,layers=1, token \"") + static_cast<char>(other) + "\"");
    EXPECT_EQ(fork.first_divergence, 2);
    EXPECT_EQ(fork.free.settings.policy, "model+ban:experts=2,layers=1");
    const auto refused = [&](ForkRequest request) {
        EXPECT_THROW(comparison->startFork(request), Error) << request.position;
        EXPECT_EQ(comparison->snapshot()->lanes.size(), 3U);
    };
    refused({.lane = base.origin.lane, .position = 3, .settings = base.settings, .token = {}});
    refused({.lane = base.origin.lane, .position = 1000, .settings = base.settings, .token = {}});
    refused({.lane = base.origin.lane, .position = at + 22, .settings = base.settings, .token = {}});  // the limit
    refused({.lane = 99, .position = at, .settings = base.settings, .token = {}});
    LaneSettings nonsense = base.settings;
    nonsense.policy = "top-k:k=99";
    refused({.lane = base.origin.lane, .position = at, .settings = nonsense, .token = {}});
    refused({.lane = base.origin.lane, .position = at, .settings = base.settings, .token = 100000});
}

}  // namespace
}  // namespace mixoscope
