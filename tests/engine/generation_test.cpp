// The generation loop led by a script: turns, requests at any moment, limits, traces.
#include "engine/generation_test.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/error.h"
#include "engine/kv_cache.h"
#include "support/allocation_counter.h"

namespace mixoscope {
namespace {

using test::GenerationTest;
using test::greedySettings;
using test::joined;
using test::kPrompt;
using test::kStopText;
using test::kTinyEnd;
using test::kTinyThinkClose;
using test::kWord;

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

TEST_F(GenerationTest, APoolTooSmallForAPageIsRefused) {
    try {
        make({.kv_bytes = kvPageBytes(model.config) - 1});
        FAIL();
    } catch (const Error& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find("Not enough memory for the KV cache"), std::string::npos) << message;
        EXPECT_NE(message.find("one page of 16 tokens"), std::string::npos) << message;
        EXPECT_NE(message.find("found " + std::to_string(kvPageBytes(model.config) - 1)), std::string::npos) << message;
    }
    EXPECT_EQ(make({.kv_bytes = kvPageBytes(model.config)}).contextTokens(), 16);
    EXPECT_EQ(make({.context_tokens = 100'000, .max_lanes = 1}).contextTokens(), 512) << "no more than the model has";
}

TEST_F(GenerationTest, AModelThatNamesNoEndOfTurnEndsAtTheChatFormats) {
    plan = {'o', 'k', kTinyEnd, 'x'};
    model.generation_config.eos_token_ids.clear();
    EXPECT_EQ(turn(greedySettings()), (std::vector<TokenId>{'o', 'k', kTinyEnd}));
    EXPECT_EQ(status.stop_reason, StopReason::kEndOfTurn);
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
    EXPECT_LT(generation.status(first).tokens + generation.status(second).tokens, 2 * generation.contextTokens())
        << "the pool was full before their contexts were";
}

TEST_F(GenerationTest, LogitsThatAreNoDistributionEndTheTurnWithAnError) {
    plan = {'o', 'k', test::ScriptedBackend::kBrokenLogits};
    EXPECT_EQ(turn(greedySettings()), (std::vector<TokenId>{'o', 'k'}));
    EXPECT_EQ(status.state, LaneState::kFinished);
    EXPECT_EQ(status.stop_reason, StopReason::kError);
    EXPECT_EQ(sink.rows.back().trace.next.id, -1);
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
    settings.early_stop.text = std::string(sizeof(LaneEvent::text), 'x') + kStopText;
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("early-stop text"), std::string::npos);
    settings.early_stop.text = "no tag";
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("early-stop text"), std::string::npos);
    settings.early_stop.text = "<think></think>";
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("found </think> 1 times, <think> 1 times"),
              std::string::npos);
    settings = greedySettings();
    settings.sampling.temperature = -1.0F;
    EXPECT_NE(where([&] { generation.addLane(settings); }).find("temperature"), std::string::npos);
    const std::pair<const char*, void (*)(LaneSettings&)> negative[] = {
        {"budget", [](LaneSettings& s) { s.budget = -2; }},
        {"max_tokens", [](LaneSettings& s) { s.max_tokens = -2; }},
        {"soft close, likeliest tokens", [](LaneSettings& s) { s.early_stop.soft_rank = -2; }},
        {"soft close, extra tokens", [](LaneSettings& s) { s.early_stop.soft_extra = -2; }}};
    for (const auto& [field, change] : negative) {
        settings = greedySettings();
        change(settings);
        const std::string message = where([&] { generation.addLane(settings); });
        EXPECT_NE(message.find(field), std::string::npos) << message;
        EXPECT_NE(message.find("found -2"), std::string::npos) << message;
    }
    settings = greedySettings();

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
    for (const std::int32_t tokens : {0, -1, 33}) {
        EXPECT_NE(where([&] { generation.forkLane(lane, tokens, greedySettings()); }).find("cannot be forked"),
                  std::string::npos)
            << tokens;
    }
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

TEST_F(GenerationTest, EveryChangedSettingIsAnEvent) {
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    generation.step();
    LaneSettings settings = greedySettings();
    settings.mode = ThinkingMode::kNoThink;
    settings.sampling.temperature = 0.25F;
    generation.requestSettings(lane, settings);
    generation.step();
    const auto mode = sink.eventsOf(LaneEventKind::kModeChanged);
    ASSERT_EQ(mode.size(), 1U);
    EXPECT_EQ(mode[0].old_value, static_cast<std::int64_t>(ThinkingMode::kThink));
    EXPECT_EQ(mode[0].value, static_cast<std::int64_t>(ThinkingMode::kNoThink));
    const auto sampling = sink.eventsOf(LaneEventKind::kSamplingChanged);
    ASSERT_EQ(sampling.size(), 1U);
    EXPECT_NE(std::string(sampling[0].text).find(R"("temperature":0.25)"), std::string::npos) << sampling[0].text;
    generation.requestSettings(lane, settings);  // nothing new
    generation.step();
    EXPECT_EQ(sink.eventsOf(LaneEventKind::kSamplingChanged).size(), 1U);
}

TEST_F(GenerationTest, APromptInChunksChoosesNothingBeforeItsEnd) {
    plan = {'o', 'k', kTinyEnd};
    Generation generation = make({.prefill_chunk = 2});
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(chosenIds(), plan);
    EXPECT_EQ(generation.status(lane).tokens, std::ssize(kPrompt) + std::ssize(plan));
}

TEST_F(GenerationTest, EachTurnIsCountedAndTimedOnItsOwn) {
    plan = {'o', 'k', 'a', 'y', kTinyEnd};
    Generation generation = make();
    const LaneId lane = generation.addLane(greedySettings());
    generation.startTurn(lane, kPrompt, true);
    generation.step();
    const double first = generation.status(lane).ttft_ms;
    EXPECT_GT(first, 0.0);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).ttft_ms, first) << "of the first token, whatever follows";
    EXPECT_EQ(generation.status(lane).answer_tokens, 4);
    plan = {'n', 'o', kTinyEnd};
    generation.startTurn(lane, kPrompt, true);
    runAll(generation);
    EXPECT_EQ(generation.status(lane).answer_tokens, 2);
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
