// A turn that was recorded goes on in another generation: its rows are computed again without being told, and what is
// asked meanwhile acts behind them.
#include <gtest/gtest.h>

#include <functional>

#include "engine/error.h"
#include "engine/generation_test.h"

namespace mixoscope {
namespace {

using namespace test;

class GenerationResume : public GenerationTest {
protected:
    /// The turn after so many steps, as a recording of it would have it: of the tokens chosen last only the first.
    RecordedTurn recordedAfter(int steps, const LaneSettings& settings, GenerationLimits limits = {}) {
        CollectingSink recorded;
        Generation generation(model, backend, limits, &recorded);
        const LaneId lane = generation.addLane(settings);
        generation.startTurn(lane, kPrompt, true);
        for (int step = 0; step < steps; ++step) EXPECT_TRUE(generation.step());
        RecordedTurn turn;
        turn.prompt_tokens = static_cast<std::int32_t>(kPrompt.size());
        turn.policies = {{.first = 0, .policy = settings.policy}};
        turn.settings = settings;
        for (const CollectedRow& row : recorded.rows) {
            turn.steps.push_back(row.trace.step);
            turn.next_step = row.trace.step + 1;
        }
        turn.next_serial = 1000;
        const std::size_t known = std::max(kPrompt.size(), turn.steps.size() + 1);
        for (std::size_t position = 0; position < known; ++position)
            turn.tokens.push_back(generation.token(lane, static_cast<std::int32_t>(position)));
        return turn;
    }
};

TEST_F(GenerationResume, TellsOnlyWhatIsNewAndGoesOnNumbering) {
    plan = think(40);
    const std::vector<TokenId> whole = turn(greedySettings(20));
    for (const int steps : {1, 2, 5, 20}) {
        SCOPED_TRACE(steps);
        const RecordedTurn recorded = recordedAfter(steps, greedySettings(20));
        sink = {};
        backend.rows_fed = 0;
        Generation generation = make();
        const LaneId lane = generation.addLane(greedySettings(20));
        generation.resumeTurn(lane, recorded);
        EXPECT_TRUE(generation.status(lane).catching_up);
        EXPECT_TRUE(generation.step());
        EXPECT_FALSE(generation.status(lane).catching_up)
            << "one step for all rows: nothing asks for the recorded ones";
        EXPECT_TRUE(sink.rows.empty());
        EXPECT_TRUE(sink.events.empty());
        EXPECT_EQ(backend.rows_fed, std::ssize(recorded.steps));
        runAll(generation);
        EXPECT_EQ(sink.rows.front().trace.serial, 1000);
        EXPECT_EQ(sink.rows.front().trace.step, recorded.next_step);
        EXPECT_EQ(sink.rows.front().trace.token.position, std::ssize(recorded.steps));
        const std::vector<TokenId> ids = generation.tokens(lane);
        EXPECT_TRUE(std::ranges::equal(std::span(ids).subspan(kPrompt.size()), whole));
        EXPECT_EQ(generation.status(lane).thinking_tokens, 20);
        EXPECT_EQ(generation.status(lane).injected_tokens, std::ssize(kStopIds));
        EXPECT_EQ(sink.eventsOf(LaneEventKind::kFinished).size(), 1U);
    }
}

TEST_F(GenerationResume, CompletesAnInjectedTextOfWhichTheFirstTokenIsKnown) {
    plan = think(40);
    for (const bool soft : {false, true}) {
        SCOPED_TRACE(soft);
        LaneSettings settings = greedySettings(3);
        settings.max_tokens = 30;
        if (soft) settings.early_stop.soft_rank = 300;  // the tag is always among so many
        const std::vector<TokenId> whole = turn(settings);
        sink = {};
        // Five steps: the prompt, the tag, three words; then the budget is reached.
        const RecordedTurn recorded = recordedAfter(5, settings);
        ASSERT_NE(recorded.tokens.back().flags & token_flag::kInjected, 0);
        Generation generation = make();
        const LaneId lane = generation.addLane(settings);
        generation.resumeTurn(lane, recorded);
        runAll(generation);
        const std::vector<TokenId> ids = generation.tokens(lane);
        EXPECT_TRUE(std::ranges::equal(std::span(ids).subspan(kPrompt.size()), whole));
        EXPECT_EQ(generation.status(lane).injected_tokens, soft ? 3 : std::ssize(kStopIds));
        sink = {};
    }
}

TEST_F(GenerationResume, WhatIsAskedMeanwhileActsBehindTheRecordedRows) {
    plan = think(40);
    LaneSettings settings = greedySettings();
    settings.policy = "top-k:k=2,capacity=2";  // in recorded steps: it takes as many
    const RecordedTurn recorded = recordedAfter(6, settings, {.slots = 8});
    Generation generation = make({.slots = 8});
    const LaneId lane = generation.addLane(settings);
    generation.resumeTurn(lane, recorded);
    EXPECT_TRUE(generation.step());
    LaneSettings other = settings;
    other.policy = "top-k:k=8";
    other.budget = 7;
    generation.requestSettings(lane, other);
    int silent = 1;
    for (; generation.status(lane).catching_up; ++silent) ASSERT_TRUE(generation.step());
    EXPECT_EQ(silent, 6);
    EXPECT_TRUE(sink.rows.empty());
    runAll(generation);
    EXPECT_EQ(sink.rows.front().router[0].active, 8);
    EXPECT_EQ(sink.eventsOf(LaneEventKind::kPolicyChanged).at(0).position, std::ssize(recorded.steps));
    EXPECT_EQ(generation.status(lane).thinking_tokens, 7);

    // A stop does not wait, and leaves the lane fit for its next turn.
    sink = {};
    Generation stopped = make({.slots = 8});
    const LaneId second = stopped.addLane(settings);
    stopped.resumeTurn(second, recorded);
    EXPECT_TRUE(stopped.step());
    stopped.requestStop(second);
    EXPECT_FALSE(stopped.step());
    EXPECT_EQ(stopped.status(second).stop_reason, StopReason::kStopped);
    EXPECT_FALSE(stopped.status(second).catching_up);
    stopped.startTurn(second, kPrompt, true);
    runAll(stopped);
    EXPECT_EQ(sink.rows.front().trace.token.position, 0);
    EXPECT_EQ(stopped.status(second).stop_reason, StopReason::kMaxTokens);
}

TEST_F(GenerationResume, ATurnThatWasOverIsOverAgainAndNothingIsTold) {
    plan = {'o', 'k', kTinyEnd};
    RecordedTurn recorded = recordedAfter(3, greedySettings());
    ASSERT_NE(recorded.tokens.back().flags & token_flag::kEndOfTurn, 0);
    recorded.ended = StopReason::kEndOfTurn;
    Generation generation = make({.max_lanes = 2});
    const LaneId lane = generation.addLane(greedySettings());
    generation.resumeTurn(lane, recorded);
    runAll(generation);
    EXPECT_TRUE(sink.rows.empty());
    EXPECT_TRUE(sink.events.empty());
    EXPECT_EQ(generation.status(lane).state, LaneState::kFinished);
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kEndOfTurn);
    EXPECT_EQ(generation.status(lane).answer_tokens, 2);
    EXPECT_EQ(generation.policyAt(lane, 6), "model");
    const LaneId fork = generation.forkLane(lane, 6, greedySettings());
    runAll(generation);
    EXPECT_EQ(generation.tokens(fork), generation.tokens(lane));
    EXPECT_EQ(sink.ofLane(fork).front().trace.token.position, 5) << "what the lane has computed is shared";
}

TEST_F(GenerationResume, TurnsThatAreNoneAreRefused) {
    plan = think(5);
    const RecordedTurn good = recordedAfter(3, greedySettings());
    Generation generation = make({.context_tokens = 16});
    const LaneId lane = generation.addLane(greedySettings());
    const auto expectRefused = [&](const std::function<void(RecordedTurn&)>& spoil, const std::string& what) {
        RecordedTurn turn = good;
        spoil(turn);
        try {
            generation.resumeTurn(lane, turn);
            ADD_FAILURE() << what << " was taken";
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
        }
    };
    expectRefused([](RecordedTurn& turn) { turn.tokens.clear(); }, "no room");
    expectRefused([](RecordedTurn& turn) { turn.tokens.resize(17); }, "no room");
    expectRefused([](RecordedTurn& turn) { turn.prompt_tokens = 99; }, "prompt");
    expectRefused([](RecordedTurn& turn) { turn.prompt_tokens = -1; }, "prompt");
    expectRefused([](RecordedTurn& turn) { turn.steps.resize(40); }, "more rows");
    expectRefused([](RecordedTurn& turn) { turn.policies.clear(); }, "routed");
    expectRefused([](RecordedTurn& turn) { turn.policies[0].policy = "top-k:k=99"; }, "99");
    expectRefused([](RecordedTurn& turn) { turn.tokens[2].id = 100000; }, "id");
    generation.resumeTurn(lane, good);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kContextFull);
}

}  // namespace
}  // namespace mixoscope
