// The generation loop led by a script: thinking budgets, requests at any moment, limits, prefix reuse, forks, traces.
#include "engine/generation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "engine/error.h"
#include "support/allocation_counter.h"
#include "support/collecting_sink.h"
#include "support/scripted_backend.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using test::kTinyEnd;
using test::kTinyThinkClose;
using test::kTinyThinkOpen;

constexpr TokenId kWord = 'w';
const std::vector<TokenId> kPrompt = {'a', 'b', 'c', 'd', 'e'};
const std::string kStopText = "stop\n</think>\n\n";
const std::vector<TokenId> kStopIds = {'s', 't', 'o', 'p', '\n', kTinyThinkClose, '\n', '\n'};

LaneSettings greedySettings(std::int32_t budget = kUnlimitedBudget) {
    LaneSettings settings;
    settings.sampling.greedy = true;
    settings.budget = budget;
    settings.early_stop.text = kStopText;
    settings.max_tokens = 60;
    return settings;
}

/// A model that says `plan` from the end of the prompt on, then words for ever.
class GenerationTest : public testing::Test {
protected:
    GenerationTest()
        : model(test::openTinyModel({.layers = 1})),
          backend(model.config.vocab_size, [this](TokenId, std::int64_t position) {
              const auto index = static_cast<std::size_t>(position + 1 - plan_from);
              return index < plan.size() ? plan[index] : kWord;
          }) {}

    Generation make(GenerationLimits limits = {}) { return Generation(model, backend, limits, &sink); }

    void runAll(Generation& generation) {
        for (int steps = 0; generation.step(); ++steps) ASSERT_LT(steps, 5000) << "the generation does not end";
    }

    /// One turn from the beginning; returns the ids that were chosen.
    std::vector<TokenId> turn(const LaneSettings& settings, bool thinking = true) {
        Generation generation = make();
        const LaneId lane = generation.addLane(settings);
        generation.startTurn(lane, kPrompt, thinking);
        runAll(generation);
        status = generation.status(lane);
        return chosenIds();
    }
    std::vector<TokenId> chosenIds(LaneId lane = 0) const {
        std::vector<TokenId> ids;
        for (const TokenTrace& token : sink.chosen(lane)) ids.push_back(token.id);
        return ids;
    }
    std::vector<TokenId> think(int words) const {
        std::vector<TokenId> ids = {kTinyThinkOpen};
        ids.insert(ids.end(), static_cast<std::size_t>(words), kWord);
        return ids;
    }

    Model model;
    std::vector<TokenId> plan;
    std::int64_t plan_from = std::ssize(kPrompt);
    test::ScriptedBackend backend;
    test::CollectingSink sink;
    LaneStatus status;
};

std::vector<TokenId> joined(std::initializer_list<std::vector<TokenId>> parts) {
    std::vector<TokenId> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

TEST_F(GenerationTest, TheModelsOwnBlockAndAnswer) {
    plan = joined({think(7), {kTinyThinkClose}, {'o', 'k'}, {kTinyEnd}});
    EXPECT_EQ(turn(greedySettings()), plan);
    EXPECT_EQ(status.state, LaneState::kFinished);
    EXPECT_EQ(status.stop_reason, StopReason::kEndOfTurn);
    EXPECT_EQ(status.prompt_tokens, 5);
    EXPECT_EQ(status.thinking_tokens, 7);
    EXPECT_EQ(status.answer_tokens, 2);
    EXPECT_EQ(status.injected_tokens, 0);
    const std::vector<TokenTrace> tokens = sink.chosen();
    EXPECT_EQ(tokens.front().flags, token_flag::kSampled | token_flag::kTag);
    EXPECT_EQ(tokens[8].flags, token_flag::kSampled | token_flag::kTag);
    EXPECT_EQ(tokens.back().flags, token_flag::kSampled | token_flag::kEndOfTurn);
    EXPECT_EQ(tokens[9].phase, Phase::kAnswer);
}

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

TEST_F(GenerationTest, StopInTheMiddleOfABlockEndsAtOnceAndSaysThatItWasOpen) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 5) generation.step();
    generation.requestStop(lane);
    EXPECT_FALSE(generation.step());
    EXPECT_EQ(generation.status(lane).state, LaneState::kFinished);
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kStopped);
    EXPECT_EQ(generation.status(lane).thinking_tokens, 5);
    ASSERT_EQ(sink.eventsOf(LaneEventKind::kStopped).size(), 1U);
    const auto finished = sink.eventsOf(LaneEventKind::kFinished);
    ASSERT_EQ(finished.size(), 1U);
    EXPECT_EQ(finished[0].value, static_cast<std::int64_t>(StopReason::kStopped));
    EXPECT_EQ(finished[0].old_value, 1);
    // A stop or answer-now that came too late does not act on the next turn.
    generation.requestStop(lane);
    generation.requestAnswerNow(lane);
    plan = joined({think(3), {kTinyThinkClose, 'k', kTinyEnd}});
    sink = {};
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(chosenIds(), plan);
}

TEST_F(GenerationTest, StopDuringAStepGivesItsRowsAndNoFurtherToken) {
    plan = think(40);
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    while (generation.status(lane).thinking_tokens < 5) generation.step();
    backend.before_step = [&] { generation.requestStop(lane); };
    EXPECT_TRUE(generation.step());
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kStopped);
    EXPECT_EQ(generation.status(lane).thinking_tokens, 5);
    EXPECT_EQ(sink.rows.back().trace.next.id, -1);
    EXPECT_EQ(sink.serials.back(), sink.events.back().serial);  // the rows come before the end
    EXPECT_FALSE(generation.step());
}

TEST_F(GenerationTest, EndOfTurnIsIgnoredWhenAsked) {
    plan = {'o', kTinyEnd, 'p', kTinyEnd};
    LaneSettings settings = greedySettings();
    settings.ignore_eos = true;
    settings.max_tokens = 6;
    EXPECT_EQ(turn(settings), (std::vector<TokenId>{'o', kTinyEnd, 'p', kTinyEnd, kWord, kWord}));
    EXPECT_EQ(status.stop_reason, StopReason::kMaxTokens);
    EXPECT_EQ(status.answer_tokens, 6);
    EXPECT_EQ(sink.chosen()[1].flags, token_flag::kSampled);
}

TEST_F(GenerationTest, MaxTokensCountsInjectedOnesAndMayCutThemShort) {
    plan = think(30);
    for (std::int32_t most = 1; most <= 20; ++most) {
        sink = {};
        LaneSettings settings = greedySettings(3);
        settings.max_tokens = most;
        const std::vector<TokenId> ids = turn(settings);
        EXPECT_EQ(std::ssize(ids), most);
        EXPECT_EQ(status.stop_reason, StopReason::kMaxTokens);
        EXPECT_EQ(status.tokens, 5 + most);
        // All but the last token were fed: its row would be of no use.
        EXPECT_EQ(sink.rows.back().trace.token.position, 5 + most - 2) << most;
    }
}

TEST_F(GenerationTest, AFullContextEndsTheTurn) {
    LaneSettings settings = greedySettings();
    settings.max_tokens = 0;
    Generation generation = make({.context_tokens = 20, .max_lanes = 1});
    EXPECT_EQ(generation.contextTokens(), 20);
    const LaneId lane = generation.addLane(settings);
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kContextFull);
    EXPECT_EQ(generation.status(lane).tokens, 20);
    // The same in the middle of an injected text.
    sink = {};
    plan = think(30);
    generation.requestSettings(lane, greedySettings(8));
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).stop_reason, StopReason::kContextFull);
    EXPECT_EQ(generation.status(lane).tokens, 20);
    EXPECT_EQ(generation.status(lane).injected_tokens, 20 - 5 - 9);
}

TEST_F(GenerationTest, APoolWithoutPagesEndsTheTurnOfTheLaneThatNeedsOne) {
    const std::int64_t page = kernels::kKvPageTokens * 2 * 2 * 16 * 4;  // generous: at least two pages
    Generation generation = make({.kv_bytes = 4 * page, .max_lanes = 2});
    LaneSettings settings = greedySettings();
    settings.max_tokens = 0;
    const LaneId first = generation.addLane(settings);
    const LaneId second = generation.addLane(settings);
    generation.startTurn(first, kPrompt, true);
    generation.startTurn(second, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(generation.status(first).stop_reason, StopReason::kContextFull);
    EXPECT_EQ(generation.status(second).stop_reason, StopReason::kContextFull);
}

TEST_F(GenerationTest, LogitsThatAreNoDistributionEndTheTurnWithAnError) {
    plan = {'o', 'k', test::ScriptedBackend::kBrokenLogits};
    EXPECT_EQ(turn(greedySettings()), (std::vector<TokenId>{'o', 'k'}));
    EXPECT_EQ(status.state, LaneState::kFinished);
    EXPECT_EQ(status.stop_reason, StopReason::kError);
    EXPECT_EQ(sink.rows.back().trace.next.id, -1);
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

TEST_F(GenerationTest, TracesAreGaplessAndCoverEveryTokenOnce) {
    plan = think(40);
    turn(greedySettings(6));
    for (std::size_t index = 0; index < sink.serials.size(); ++index) {
        ASSERT_EQ(sink.serials[index], static_cast<std::int64_t>(index));
    }
    for (std::size_t index = 0; index < sink.rows.size(); ++index) {
        const StepTrace& trace = sink.rows[index].trace;
        ASSERT_EQ(trace.token.position, static_cast<std::int32_t>(index));
        if (trace.next.id >= 0) {
            ASSERT_EQ(trace.next.position, trace.token.position + 1);
        } else {
            ASSERT_LT(index, kPrompt.size() - 1);
        }
        if (index + 1 < sink.rows.size() && trace.next.id >= 0) {
            ASSERT_EQ(trace.next.id, sink.rows[index + 1].trace.token.id);
            ASSERT_EQ(trace.next.flags, sink.rows[index + 1].trace.token.flags);
        }
    }
    EXPECT_EQ(sink.steps.size(), static_cast<std::size_t>(sink.rows.back().trace.step + 1));
}

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

TEST_F(GenerationTest, APolicyChangedInTheMiddleActsFromTheNextRowOn) {
    Generation generation = make({.slots = 8});
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    for (int step = 0; step < 4; ++step) generation.step();
    LaneSettings settings = greedySettings();
    settings.policy = "top-k:k=5";
    backend.before_step = [&] { generation.requestSettings(lane, settings); };
    generation.step();
    backend.before_step = nullptr;
    generation.step();
    const auto changed = sink.eventsOf(LaneEventKind::kPolicyChanged);
    ASSERT_EQ(changed.size(), 1U);
    for (const auto& row : sink.rows) {
        const bool after = row.trace.token.position >= changed[0].position;
        EXPECT_EQ(row.router[0].active, after ? 5 : 2) << "position " << row.trace.token.position;
        EXPECT_EQ(row.trace.step >= changed[0].step, after);
    }
    EXPECT_EQ(sink.rows.back().router[0].active, 5);
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

TEST_F(GenerationTest, BadRequestsAreRefusedByName) {
    Generation generation = make({.context_tokens = 32, .max_lanes = 1});
    const auto where = [](auto action) -> std::string {
        try {
            action();
        } catch (const Error& error) {
            return error.what();
        }
        return "(accepted)";
    };
    LaneSettings settings = greedySettings();
    settings.policy = "top-q";
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("there is no such policy"), std::string::npos);
    settings.policy = "top-k:k=8";  // the traces of this generation hold two
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("expected at most 2; found 8"), std::string::npos);
    settings = greedySettings();
    settings.early_stop.text = "no tag";
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("early-stop text"), std::string::npos);
    settings = greedySettings();
    settings.sampling.temperature = -1.0F;
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("temperature"), std::string::npos);

    const LaneId lane = generation.addLane(greedySettings());
    EXPECT_NE(where([&] { generation.addLane(greedySettings()); }).find("at most 1 lanes"), std::string::npos);
    EXPECT_NE(where([&] { generation.startTurn(lane, {}, true); }).find("empty"), std::string::npos);
    EXPECT_NE(where([&] {
                  generation.startTurn(lane, std::vector<TokenId>(32, 'a'), true);
              }).find("expected at most 31 tokens; found 32 tokens"),
              std::string::npos);
    EXPECT_NE(where([&] {
                  generation.startTurn(lane, std::vector<TokenId>{'a', 304}, true);
              }).find("token 1: The prompt holds an id that the model does not know; expected 0 to 303; found 304"),
              std::string::npos);
    EXPECT_NE(where([&] { generation.startTurn(lane, std::vector<TokenId>{-1}, true); }).find("found -1"),
              std::string::npos);
    EXPECT_NE(where([&] { generation.forkLane(lane, 3, greedySettings()); }).find("cannot be forked"),
              std::string::npos);
    settings.sampling.temperature = 1.0F;
    settings.policy = "nothing";
    EXPECT_NE(where([&] { generation.requestSettings(lane, settings); }).find("there is no such policy"),
              std::string::npos);
    generation.startTurn(lane, std::vector<TokenId>(31, 'a'), true);  // the longest that leaves room for a token
    runAll(generation);
    EXPECT_EQ(generation.status(lane).tokens, 32);
}

TEST_F(GenerationTest, RequestsForALaneThatIsGoneAreIgnored) {
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.removeLane(lane);
    generation.requestStop(lane);
    generation.requestAnswerNow(lane);
    generation.requestSettings(lane, greedySettings());
    EXPECT_FALSE(generation.step());
    EXPECT_NE(generation.addLane(greedySettings()), lane);  // ids are never used twice
}

TEST_F(GenerationTest, RequestsFromOtherThreadsNeverLoseTheLast) {
    LaneSettings settings = greedySettings();
    settings.max_tokens = 400;
    plan = think(400);
    Generation generation = make();
    const LaneId lane = generation.addLane(settings);
    generation.startTurn(lane, kPrompt, true);
    std::atomic<bool> done = false;
    std::thread other([&] {
        for (std::int32_t budget = 1000; budget < 1200; ++budget) {
            LaneSettings changed = settings;
            changed.budget = budget;
            generation.requestSettings(lane, changed);
        }
        done = true;
    });
    while (generation.step() && !done) {
    }
    other.join();
    generation.requestAnswerNow(lane);
    runAll(generation);
    const auto changed = sink.eventsOf(LaneEventKind::kBudgetChanged);
    ASSERT_FALSE(changed.empty());
    EXPECT_EQ(changed.back().value, 1199);
    for (std::size_t index = 1; index < changed.size(); ++index) {
        EXPECT_EQ(changed[index].old_value, changed[index - 1].value);
    }
}

TEST_F(GenerationTest, NothingIsAllocatedInTheTokenLoop) {
    class CountingSink : public TraceSink {
    public:
        void onRow(const StepTrace&) override { ++rows; }
        void onEvent(const LaneEvent&) override {}
        void onStepEnd(Step) override {}
        int rows = 0;
    } counting;
    plan = joined({think(30), {kTinyThinkClose}});
    LaneSettings settings = greedySettings(12);
    settings.max_tokens = 0;
    settings.sampling = {
        .temperature = 0.7F, .top_p = 0.9F, .top_k = 20, .presence_penalty = 0.5F, .repetition_penalty = 1.1F};
    for (TraceSink* trace_sink : {static_cast<TraceSink*>(&counting), static_cast<TraceSink*>(nullptr)}) {
        Generation generation(model, backend, {.max_lanes = 3, .prefill_chunk = 4}, trace_sink);
        for (int index = 0; index < 3; ++index) {
            settings.sampling.seed = static_cast<std::uint64_t>(index);
            generation.startTurn(generation.addLane(settings), kPrompt, true);
        }
        for (int step = 0; step < 5; ++step) generation.step();
        const std::int64_t before = test::allocationCount();
        for (int step = 0; step < 60; ++step) ASSERT_TRUE(generation.step());
        EXPECT_EQ(test::allocationCount() - before, 0);  // past page borders, through the cut and into the answer
    }
    EXPECT_GT(counting.rows, 0);
}

TEST_F(GenerationTest, TimesAreToldWithAndWithoutASink) {
    plan = {'o', 'k', kTinyEnd};
    turn(greedySettings());
    EXPECT_GT(status.ttft_ms, 0.0);
    EXPECT_GE(status.tpot_ms, 0.0);
    Generation silent(model, backend, {.max_lanes = 1}, nullptr);
    silent.startTurn(silent.addLane(greedySettings()), kPrompt, true);
    runAll(silent);
    EXPECT_EQ(silent.times().steps, 3);
    EXPECT_EQ(silent.times().rows, 7);
    EXPECT_EQ(silent.times().sink_ms, 0.0);
    EXPECT_EQ(silent.lastLogits(0).size(), static_cast<std::size_t>(model.config.vocab_size));
}

}  // namespace
}  // namespace mixoscope
