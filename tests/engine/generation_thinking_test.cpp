// Thinking control in the generation loop: where a block is cut, what is fed, what is told of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/generation_test.h"
#include "engine/settings_json.h"

namespace mixoscope {
namespace {

using test::GenerationTest;
using test::greedySettings;
using test::joined;
using test::kPrompt;
using test::kStopIds;
using test::kTinyEnd;
using test::kTinyThinkClose;
using test::kTinyThinkOpen;
using test::kWord;

TEST_F(GenerationTest, EveryBudgetCutsAtItsN) {
    plan = think(30);
    for (std::int32_t budget = 1; budget <= 30; ++budget) {
        sink = {};
        LaneSettings settings = greedySettings(budget);
        const std::vector<TokenId> ids = turn(settings);
        const std::vector<TokenId> expected = joined({think(budget), kStopIds});
        ASSERT_GE(ids.size(), expected.size());
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), ids.begin())) << "budget " << budget;
        EXPECT_EQ(status.thinking_tokens, budget);
        EXPECT_EQ(status.injected_tokens, std::ssize(kStopIds));
        const auto reached = sink.eventsOf(LaneEventKind::kBudgetReached);
        ASSERT_EQ(reached.size(), 1U);
        EXPECT_EQ(reached[0].value, budget);
        EXPECT_EQ(reached[0].position, 5 + 1 + budget);
    }
}

TEST_F(GenerationTest, TheInjectedTextIsMarkedAndFedInOneStep) {
    plan = think(30);
    turn(greedySettings(4));
    const std::vector<TokenTrace> tokens = sink.chosen();
    for (std::size_t index = 0; index < kStopIds.size(); ++index) {
        const TokenTrace& token = tokens[5 + index];
        EXPECT_EQ(token.id, kStopIds[index]);
        EXPECT_NE(token.flags & token_flag::kInjected, 0);
        EXPECT_EQ(token.flags & token_flag::kSampled, 0);
        EXPECT_EQ(token.flags & token_flag::kTag, token.id == kTinyThinkClose ? token_flag::kTag : 0);
        EXPECT_EQ(token.phase, Phase::kThinking);
        EXPECT_EQ(token.thinking_tokens, 4);
        EXPECT_EQ(token.rank, -1);
        EXPECT_TRUE(std::isnan(token.logprob));
    }
    int chunks = 0;
    for (const auto& row : sink.rows) {
        if (row.trace.token.id == 's') {
            EXPECT_EQ(row.trace.rows_in_step, std::ssize(kStopIds));
            ++chunks;
        }
    }
    EXPECT_EQ(chunks, 1);
}

TEST_F(GenerationTest, DraggingTheBudgetBelowNClosesAtTheNextToken) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings(100));
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 11) generation.step();
    generation.requestSettings(lane, greedySettings(4));
    generation.step();
    EXPECT_EQ(generation.status(lane).thinking_tokens, 11);
    EXPECT_EQ(generation.status(lane).injected_tokens, std::ssize(kStopIds));
    const auto changed = sink.eventsOf(LaneEventKind::kBudgetChanged);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed[0].old_value, 100);
    EXPECT_EQ(changed[0].value, 4);
    EXPECT_EQ(changed[0].position, 5 + 1 + 11);
    const auto reached = sink.eventsOf(LaneEventKind::kBudgetReached);
    ASSERT_EQ(reached.size(), 1U);
    EXPECT_EQ(reached[0].value, 11);
    EXPECT_EQ(reached[0].step, changed[0].step);
}

TEST_F(GenerationTest, EveryChangeOfSettingsIsAnEventAtItsStep) {
    plan = think(40);
    Generation generation = make();
    LaneSettings settings = greedySettings(100);
    const LaneId lane = generation.addLane(settings);
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 6) generation.step();
    settings.early_stop.text = "enough\n</think>\n";
    settings.early_stop.soft_rank = 3;
    settings.max_tokens = 30;
    settings.ignore_eos = true;
    settings.sampling.temperature = 0.35F;
    settings.sampling.seed = std::numeric_limits<std::uint64_t>::max();
    generation.requestSettings(lane, settings);
    generation.step();
    generation.requestSettings(lane, settings);  // the same again is no change
    generation.step();
    LaneSettings told = greedySettings(100);
    for (const LaneEventKind kind : {LaneEventKind::kEarlyStopChanged, LaneEventKind::kMaxTokensChanged,
                                     LaneEventKind::kIgnoreEosChanged, LaneEventKind::kSamplingChanged}) {
        const auto changed = sink.eventsOf(kind);
        ASSERT_EQ(changed.size(), 1U) << static_cast<int>(kind);
        EXPECT_EQ(changed[0].position, 5 + 1 + 6);
        if (changed[0].text[0] != '\0') told = settingsFromJson(changed[0].text, "event", told);
    }
    EXPECT_EQ(told.early_stop, settings.early_stop);
    EXPECT_EQ(told.sampling, settings.sampling);
    EXPECT_EQ(sink.eventsOf(LaneEventKind::kMaxTokensChanged)[0].old_value, greedySettings().max_tokens);
    EXPECT_EQ(sink.eventsOf(LaneEventKind::kMaxTokensChanged)[0].value, 30);
    EXPECT_EQ(sink.eventsOf(LaneEventKind::kIgnoreEosChanged)[0].value, 1);
}

TEST_F(GenerationTest, ARequestDuringAStepActsOnTheTokenOfThatStep) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 6) generation.step();
    backend.before_step = [&] { generation.requestSettings(lane, greedySettings(3)); };
    generation.step();
    EXPECT_EQ(generation.status(lane).thinking_tokens, 6);
    EXPECT_EQ(generation.status(lane).injected_tokens, std::ssize(kStopIds));
}

TEST_F(GenerationTest, RaisingTheBudgetLetsItThinkOn) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings(10));
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 9) generation.step();
    generation.requestSettings(lane, greedySettings(25));
    runAll(generation);
    EXPECT_EQ(generation.status(lane).thinking_tokens, 25);
}

TEST_F(GenerationTest, AnotherEarlyStopTextIsFedFromTheNextCutOn) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 4) generation.step();
    LaneSettings settings = greedySettings(6);
    settings.early_stop.text = "so\n</think>";
    generation.requestSettings(lane, settings);
    runAll(generation);
    const std::vector<TokenId> expected = joined({think(6), {'s', 'o', '\n', kTinyThinkClose}});
    const std::vector<TokenId> ids = chosenIds();
    ASSERT_GE(ids.size(), expected.size());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), ids.begin()));
}

TEST_F(GenerationTest, AnswerNowClosesAtTheNextTokenAndIsRecorded) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 8) generation.step();
    generation.requestAnswerNow(lane);
    generation.step();
    EXPECT_EQ(generation.status(lane).thinking_tokens, 8);
    EXPECT_EQ(generation.status(lane).state, LaneState::kAnswering);
    const auto events = sink.eventsOf(LaneEventKind::kAnswerNow);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].value, 8);
    EXPECT_TRUE(sink.eventsOf(LaneEventKind::kBudgetReached).empty());
}

TEST_F(GenerationTest, AnswerNowInTheAnswerDoesNothing) {
    plan = joined({think(2), {kTinyThinkClose}, {'o', 'k'}, {kTinyEnd}});
    backend.before_step = [&] {};
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).answer_tokens < 1) generation.step();
    generation.requestAnswerNow(lane);
    runAll(generation);
    EXPECT_EQ(chosenIds(), plan);
}

TEST_F(GenerationTest, StrayTagsAreFlagged) {
    plan = {'o', kTinyThinkOpen, kWord, kTinyThinkClose, kTinyThinkClose, 'k', kTinyEnd};
    EXPECT_EQ(turn(greedySettings(0), false), plan);  // no_think: the budget does not act
    const std::vector<TokenTrace> tokens = sink.chosen();
    const auto stray = [&](std::size_t index) { return (tokens[index].flags & token_flag::kStray) != 0; };
    EXPECT_TRUE(stray(1));
    EXPECT_FALSE(stray(3));
    EXPECT_TRUE(stray(4));
    EXPECT_EQ(status.thinking_tokens, 1);
    EXPECT_EQ(status.answer_tokens, 2);
}

TEST_F(GenerationTest, APromptThatOpensTheBlockIsThinkingFromTheFirstToken) {
    const std::vector<TokenId> prompt = {'a', 'b', 'c', kTinyThinkOpen, '\n'};
    plan = {kWord, kWord, kTinyThinkClose, 'k', kTinyEnd};
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, prompt, true);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).thinking_tokens, 3);  // the newline lies between the tags, too
    EXPECT_EQ(sink.chosen()[0].phase, Phase::kThinking);
    EXPECT_EQ(sink.chosen()[2].flags & token_flag::kStray, 0);
}

TEST_F(GenerationTest, ACutWaitsForTheRestOfACharacter) {
    plan = {kTinyThinkOpen, kWord, 0xE2, 0x82, 0xAC, kWord, kWord};  // the euro sign, a byte a token
    turn(greedySettings(2));
    EXPECT_EQ(status.thinking_tokens, 4);
    EXPECT_EQ(sink.chosen()[5].id, 's');
}

}  // namespace
}  // namespace mixoscope
