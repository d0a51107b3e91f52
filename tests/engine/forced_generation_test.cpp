// Turns that are given their tokens, forks with changes, lanes that are not traced or wait for room in a step.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/generation.h"
#include "engine/next_token_divergence.h"
#include "support/collecting_sink.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

constexpr unsigned kSeed = 42;

LaneSettings settingsWith(const std::string& policy) {
    LaneSettings settings;
    settings.policy = policy;
    settings.budget = 7;
    settings.early_stop.text = "enough</think>\n";
    settings.sampling = {.temperature = 1.0F, .top_p = 0.95F, .seed = 11};
    settings.max_tokens = 30;
    settings.ignore_eos = true;
    return settings;
}

class ForcedGeneration : public testing::Test {
protected:
    static GenerationLimits limits() {
        return {.context_tokens = 160, .max_lanes = 12, .prefill_chunk = 16, .slots = 4};
    }
    /// The tokens of a finished turn, as a continuation.
    static ForcedContinuation continuationOf(const Generation& generation, LaneId lane) {
        ForcedContinuation continuation{.tokens = {}, .ends_turn = true};
        const LaneStatus status = generation.status(lane);
        for (std::int32_t position = status.prompt_tokens; position < status.tokens; ++position) {
            const TokenTrace token = generation.token(lane, position);
            continuation.tokens.push_back({.id = token.id, .injected = (token.flags & token_flag::kInjected) != 0});
        }
        return continuation;
    }

    Model model = test::openTinyModel({.seed = kSeed});
    std::unique_ptr<kernels::Backend> backend = kernels::makeCpuBackend(2);
    std::vector<TokenId> prompt = {
        10, 20, 30, 40, 50, 60, 70, 80, 90, 11, 12, 13, 14, 15, 16, 17, 18, 19, test::kTinyThinkOpen};
};

TEST_F(ForcedGeneration, ATurnThatIsGivenItsOwnTokensHasTheSameRowsAndJudgements) {
    for (const char* policy : {"model", "any-experts:min=1,max=4,virtual=0.4", "bias-balanced:rate=0.02",
                               "top-k:k=1,tokens=injected+top-k:k=3"}) {
        test::CollectingSink sink;
        Generation generation(model, *backend, limits(), &sink);
        const LaneId own = generation.addLane(settingsWith(policy));
        generation.startTurn(own, prompt, true);
        generation.run({});
        const LaneId forced = generation.addLane(settingsWith(policy));
        generation.startTurn(forced, prompt, true);
        generation.forceContinuation(forced, continuationOf(generation, own));
        generation.run({});
        EXPECT_EQ(generation.tokens(forced), generation.tokens(own)) << policy;
        const auto own_rows = sink.ofLane(own);
        const auto forced_rows = sink.ofLane(forced);
        ASSERT_EQ(own_rows.size(), forced_rows.size()) << policy;
        int injected = 0;
        for (std::size_t row = 0; row < own_rows.size(); ++row) {
            const TokenTrace& a = own_rows[row].trace.token;
            const TokenTrace& b = forced_rows[row].trace.token;
            EXPECT_EQ(a.id, b.id);
            EXPECT_EQ(a.phase, b.phase);
            EXPECT_EQ(a.flags & ~token_flag::kSampled, b.flags & ~token_flag::kForced) << policy << ", row " << row;
            EXPECT_EQ(std::memcmp(&a.logprob, &b.logprob, sizeof a.logprob), 0) << policy << ", row " << row;
            EXPECT_EQ(a.thinking_tokens, b.thinking_tokens);
            EXPECT_EQ(own_rows[row].expert_ids, forced_rows[row].expert_ids) << policy << ", row " << row;
            EXPECT_EQ(own_rows[row].expert_weights, forced_rows[row].expert_weights) << policy << ", row " << row;
            injected += (a.flags & token_flag::kInjected) != 0 ? 1 : 0;
        }
        EXPECT_GT(injected, 3) << "the budget was to cut the block";
        EXPECT_EQ(generation.status(forced).injected_tokens, generation.status(own).injected_tokens);
        EXPECT_EQ(generation.status(forced).answer_tokens, generation.status(own).answer_tokens);
    }
}

TEST_F(ForcedGeneration, TokensAreJudgedByTheLanesOwnLogitsOneStepEach) {
    test::CollectingSink sink;
    Generation generation(model, *backend, limits(), &sink);
    const LaneId lane = generation.addLane(settingsWith("top-k:k=4"));
    generation.startTurn(lane, prompt, true);
    const std::vector<TokenId> given = {7, 7, 200, 3};
    generation.forceContinuation(lane, {.tokens = {{7}, {7}, {200}, {3}}, .ends_turn = true});
    generation.step();
    generation.step();
    for (std::size_t index = 0; index < given.size(); ++index) {
        const auto position = static_cast<std::int32_t>(prompt.size() + index);
        ASSERT_EQ(generation.status(lane).tokens, position + 1);
        const TokenTrace token = generation.token(lane, position);
        EXPECT_EQ(token.id, given[index]);
        EXPECT_EQ(token.flags & (token_flag::kForced | token_flag::kSampled), token_flag::kForced);
        EXPECT_NEAR(static_cast<double>(token.logprob), logProbability(generation.lastLogits(lane), token.id), 1e-5);
        EXPECT_EQ(generation.step(), index + 1 < given.size());
    }
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kForcedEnd);
    EXPECT_EQ(sink.ofLane(lane).size(), prompt.size() + given.size() - 1) << "the last token needs no row";
}

TEST_F(ForcedGeneration, ATokenInPlaceOfTheChosenOneIsFollowedByTheLanesOwn) {
    Generation generation(model, *backend, limits(), nullptr);
    const LaneId lane = generation.addLane(settingsWith("model"));
    generation.startTurn(lane, prompt, true);
    generation.run({});
    const auto at = static_cast<std::int32_t>(prompt.size()) + 3;
    const TokenId other = generation.token(lane, at).id == 99 ? 98 : 99;
    const LaneId fork = generation.forkLane(lane, at, settingsWith("model"));
    generation.forceContinuation(fork, {.tokens = {{other}}, .ends_turn = false});
    generation.run({});
    EXPECT_EQ(generation.token(fork, at).id, other);
    EXPECT_EQ(generation.status(fork).tokens, generation.status(lane).tokens);
    EXPECT_EQ(generation.status(fork).stop_reason, StopReason::kMaxTokens);
    // It is what a lane would be that was given all tokens up to there.
    const LaneId fresh = generation.addLane(settingsWith("model"));
    generation.startTurn(fresh, prompt, true);
    ForcedContinuation continuation = continuationOf(generation, fork);
    continuation.tokens.resize(4);
    continuation.ends_turn = false;
    generation.forceContinuation(fresh, continuation);
    generation.run({});
    EXPECT_EQ(generation.tokens(fresh), generation.tokens(fork));
}

TEST_F(ForcedGeneration, RefusesIdsThatTheModelDoesNotKnow) {
    Generation generation(model, *backend, limits(), nullptr);
    const LaneId lane = generation.addLane(settingsWith("model"));
    generation.startTurn(lane, prompt, true);
    EXPECT_THROW(generation.forceContinuation(lane, {.tokens = {{5}, {100000}}, .ends_turn = true}), Error);
    EXPECT_THROW(generation.forceContinuation(lane, {.tokens = {{-1}}, .ends_turn = true}), Error);
    generation.run({});
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kMaxTokens) << "a refused continuation changes nothing";
}

TEST_F(ForcedGeneration, TheTraceTellsOfAForkAndOfWhatItChanges) {
    test::CollectingSink sink;
    Generation generation(model, *backend, limits(), &sink);
    const LaneId lane = generation.addLane(settingsWith("model"));
    generation.startTurn(lane, prompt, true);
    generation.run({});
    LaneSettings changed = settingsWith("top-k:k=3");
    changed.budget = 20;
    const auto at = static_cast<std::int32_t>(prompt.size()) + 2;
    const LaneId fork = generation.forkLane(lane, at, changed);
    const auto forked = sink.eventsOf(LaneEventKind::kForked, fork);
    ASSERT_EQ(forked.size(), 1U);
    EXPECT_EQ(forked[0].value, lane);
    EXPECT_EQ(forked[0].old_value, at - 1) << "rows that are shared";
    EXPECT_EQ(forked[0].position, at);
    const auto policy = sink.eventsOf(LaneEventKind::kPolicyChanged, fork);
    ASSERT_EQ(policy.size(), 1U);
    EXPECT_STREQ(policy[0].text, "top-k:k=3");
    const auto budget = sink.eventsOf(LaneEventKind::kBudgetChanged, fork);
    ASSERT_EQ(budget.size(), 1U);
    EXPECT_EQ(budget[0].old_value, 7);
    EXPECT_EQ(budget[0].value, 20);
    EXPECT_EQ(sink.eventsOf(LaneEventKind::kTurnStarted, fork).size(), 1U);
    EXPECT_EQ(generation.policyAt(fork, at - 2), "model");
    generation.step();
    EXPECT_EQ(generation.policyAt(fork, at - 1), "top-k:k=3");
    EXPECT_EQ(sink.ofLane(fork).front().trace.token.position, at - 1);
}

TEST_F(ForcedGeneration, ALaneThatIsNotTracedLeavesNoGapAndComputesTheSame) {
    test::CollectingSink sink;
    Generation generation(model, *backend, limits(), &sink);
    const LaneId traced = generation.addLane(settingsWith("model"));
    const LaneId silent = generation.addLane(settingsWith("model"), Traced::kNo);
    generation.startTurn(traced, prompt, true);
    generation.startTurn(silent, prompt, true);
    generation.run({});
    EXPECT_EQ(generation.tokens(silent), generation.tokens(traced));
    EXPECT_TRUE(sink.ofLane(silent).empty());
    for (const LaneEvent& event : sink.events) EXPECT_EQ(event.lane, traced);
    for (std::size_t index = 0; index < sink.serials.size(); ++index)
        EXPECT_EQ(sink.serials[index], static_cast<std::int64_t>(index));
}

TEST_F(ForcedGeneration, LanesThatWaitForRoomInAStepComputeTheSame) {
    std::vector<std::vector<TokenId>> expected;
    for (const auto& [lanes_per_step, rows_per_step] : {std::pair{0, 0}, {1, 0}, {3, 0}, {0, 16}, {4, 20}}) {
        GenerationLimits narrow = limits();
        narrow.lanes_per_step = lanes_per_step;
        narrow.rows_per_step = rows_per_step;
        test::CollectingSink sink;
        Generation generation(model, *backend, narrow, &sink);
        std::vector<LaneId> lanes;
        for (int index = 0; index < 6; ++index) {
            LaneSettings settings = settingsWith(index % 2 == 0 ? "model" : "top-k:k=3");
            settings.sampling.seed = static_cast<std::uint64_t>(index);
            lanes.push_back(generation.addLane(settings));
            generation.startTurn(lanes.back(), std::span(prompt).last(prompt.size() - static_cast<std::size_t>(index)),
                                 true);
        }
        generation.run({});
        for (const auto& row : sink.rows) {
            if (rows_per_step > 0) {
                EXPECT_LE(row.trace.rows_in_step, rows_per_step);
            }
        }
        std::vector<std::vector<TokenId>> tokens;
        for (const LaneId lane : lanes) tokens.push_back(generation.tokens(lane));
        if (expected.empty()) expected = tokens;
        EXPECT_EQ(tokens, expected) << lanes_per_step << " lanes, " << rows_per_step << " rows";
    }
}

}  // namespace
}  // namespace mixoscope
