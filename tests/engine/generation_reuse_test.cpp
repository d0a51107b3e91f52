// What a lane does not compute again: common prefixes of turns, and what a fork shares.
#include <gtest/gtest.h>

#include "engine/generation_test.h"

namespace mixoscope {
namespace {

using test::GenerationTest;
using test::greedySettings;
using test::kPrompt;
using test::kStopIds;
using test::kTinyEnd;

TEST_F(GenerationTest, TheLongestCommonPrefixIsNotComputedAgain) {
    plan = {'o', 'k', kTinyEnd};
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    const std::vector<TokenId> prompt = {'a', 'b', 'c', 'd', 'e', 'o', 'k', 'x', 'y'};
    backend.rows_fed = 0;
    plan_from = 9;
    generation.startTurn(lane, prompt, true);
    runAll(generation);
    EXPECT_EQ(backend.rows_fed, 2 + 2);  // x and y; o and k of the new answer
    const auto started = sink.eventsOf(LaneEventKind::kTurnStarted);
    ASSERT_EQ(started.size(), 2U);
    EXPECT_EQ(started[1].old_value, 7);
    EXPECT_EQ(started[1].value, 9);
    EXPECT_EQ(sink.chosen().back().turn, 1);
    // The same prompt once more: its last token is fed again, because its logits choose the first new one.
    backend.rows_fed = 0;
    generation.startTurn(lane, prompt, true);
    generation.step();
    EXPECT_EQ(backend.rows_fed, 1);
}

TEST_F(GenerationTest, APrefixComputedUnderAnotherPolicyIsComputedAgain) {
    plan = {'o', 'k', kTinyEnd};
    Generation generation = make({.slots = 8});
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    LaneSettings settings = greedySettings();
    settings.policy = "top-k:k=8";
    generation.requestSettings(lane, settings);
    backend.rows_fed = 0;
    generation.startTurn(lane, kPrompt, true);
    generation.step();
    EXPECT_EQ(backend.rows_fed, 5);
    EXPECT_EQ(sink.rows.back().router[0].active, 8);
    const auto changed = sink.eventsOf(LaneEventKind::kPolicyChanged);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_STREQ(changed[0].text, "top-k:k=8");
}

TEST_F(GenerationTest, AForkInTheBlockGoesOnFromThere) {
    plan = think(40);
    Generation generation = make({.max_lanes = 4});
    const LaneId lane = generation.addLane(greedySettings(20));
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 10) generation.step();
    backend.rows_fed = 0;
    const LaneId fork = generation.forkLane(lane, 5 + 1 + 6, greedySettings(8));  // six words into the block
    EXPECT_EQ(generation.status(fork).thinking_tokens, 6);
    EXPECT_EQ(generation.status(fork).state, LaneState::kThinking);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).thinking_tokens, 20);
    EXPECT_EQ(generation.status(fork).thinking_tokens, 8);
    EXPECT_EQ(sink.ofLane(fork).front().trace.token.position, 5 + 6);  // only the last shared token is fed again
}

TEST_F(GenerationTest, AForkWithinThePromptWaitsForItsTurnAndSharesWhatIsEqual) {
    plan = {'o', 'k', kTinyEnd};
    Generation generation = make({.max_lanes = 4});
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    const LaneId fork = generation.forkLane(lane, 4, greedySettings());
    EXPECT_EQ(generation.status(fork).state, LaneState::kIdle);
    EXPECT_FALSE(generation.step());
    backend.rows_fed = 0;
    generation.startTurn(fork, std::vector<TokenId>{'a', 'b', 'c', 'd', 'z'}, true);
    generation.step();
    EXPECT_EQ(backend.rows_fed, 1);
}

TEST_F(GenerationTest, AForkWhereTheTurnIsOverWaitsForItsNext) {
    plan = {'o', 'k', kTinyEnd};
    Generation generation = make({.context_tokens = 16, .max_lanes = 8});
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    const auto stateOf = [&](LaneId source, std::int32_t tokens, const LaneSettings& settings) {
        return generation.status(generation.forkLane(source, tokens, settings)).state;
    };
    EXPECT_EQ(stateOf(lane, 8, greedySettings()), LaneState::kIdle) << "the end of the turn";
    EXPECT_EQ(stateOf(lane, 7, greedySettings()), LaneState::kAnswering);
    LaneSettings short_answers = greedySettings();
    short_answers.max_tokens = 2;
    EXPECT_EQ(stateOf(lane, 7, short_answers), LaneState::kIdle) << "its settings allow no more";
    EXPECT_EQ(stateOf(lane, 6, short_answers), LaneState::kAnswering);
    plan = {};  // words for ever
    const LaneId full = generation.addLane(greedySettings());
    generation.startTurn(full, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(generation.status(full).stop_reason, StopReason::kContextFull);
    EXPECT_EQ(stateOf(full, 16, greedySettings()), LaneState::kIdle) << "the context is full";
    EXPECT_EQ(stateOf(full, 15, greedySettings()), LaneState::kAnswering);
}

TEST_F(GenerationTest, AForkIntoAnInjectedTextCompletesIt) {
    plan = think(40);
    Generation generation = make({.max_lanes = 2});
    const LaneId lane = generation.addLane(greedySettings(3));
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    const LaneId fork = generation.forkLane(lane, 5 + 4 + 2, greedySettings(3));  // after "st"
    EXPECT_EQ(generation.status(fork).injected_tokens, std::ssize(kStopIds));
    EXPECT_EQ(generation.status(fork).state, LaneState::kAnswering);
}

}  // namespace
}  // namespace mixoscope
