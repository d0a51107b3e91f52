// Aggregates: the facts of each turn, text from tokens, past turns kept, and the same picture live and replayed.
#include "probes/aggregates.h"

#include <gtest/gtest.h>

#include <numeric>

#include "probes/trace_ring.h"
#include "support/same_lane.h"
#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::KeepingSink;
using test::SyntheticEngine;

constexpr TraceShape kShape{3, 4, 16, true};

Aggregates makeAggregates() {
    return {kShape, true, test::syntheticBytes, 4};
}

void feed(Aggregates& aggregates, const std::vector<test::Record>& records) {
    for (const auto& record : records) {
        if (record.is_event)
            aggregates.add(record.event);
        else
            aggregates.add(record.row.view());
    }
}

std::string bytesOf(const History& history, std::int32_t first, std::int32_t last) {
    std::string text;
    for (std::int32_t position = first; position < last; ++position) text += history.token(position).bytes;
    return text;
}

TEST(Aggregates, tellTheFactsOfATurn) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 2, sink);
    engine.play(0, {.kept = 0, .prompt = 8, .thinking = 4, .answer = 5});
    Aggregates aggregates = makeAggregates();
    feed(aggregates, sink.records);
    const auto lanes = aggregates.snapshot();
    ASSERT_EQ(lanes.size(), 1U);
    const LaneSnapshot& lane = lanes[0];
    ASSERT_EQ(lane.turns.size(), 1U);
    const TurnFacts& turn = lane.turns[0];
    EXPECT_EQ(lane.state, LaneState::kFinished);
    EXPECT_EQ(turn.prompt_tokens, 8);
    EXPECT_EQ(turn.first_generated_position, 8);
    EXPECT_EQ(turn.thinking_tokens, 4);
    EXPECT_EQ(turn.answer_tokens, 5) << "the end of the turn is no answer token";
    EXPECT_EQ(turn.injected_tokens, 0);
    EXPECT_TRUE(turn.block_opened);
    EXPECT_TRUE(turn.block_closed);
    EXPECT_FALSE(turn.closed_by_budget);
    EXPECT_EQ(turn.stop_reason, StopReason::kEndOfTurn);
    EXPECT_EQ(turn.thinking_text, bytesOf(lane.history, 9, 13)) << "without its tags";
    EXPECT_EQ(turn.answer_text, bytesOf(lane.history, 14, 19));
    // 12 tokens, one a step of 1 ms; the prompt's step ends 0.9 ms after the turn began.
    EXPECT_DOUBLE_EQ(turn.ttft_ms, 0.9);
    EXPECT_DOUBLE_EQ(turn.tpot_ms, 1.0);
    EXPECT_DOUBLE_EQ(turn.tokens_per_s, 1000.0);
    EXPECT_DOUBLE_EQ(turn.thinking_ms, 5.0) << "from <think> to </think>";
    EXPECT_EQ(lane.history.tokenCount(), 20);
    EXPECT_EQ(lane.history.rowCount(), 19);
    for (const CheckResult& check : lane.checks) EXPECT_TRUE(check.holds) << check.name << ": " << check.violation;
}

TEST(Aggregates, goOnFromAStateAsIfNothingHadFollowedIt) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 5, sink);
    engine.play(0, {.kept = 0, .prompt = 300, .thinking = 40, .answer = 5});
    engine.play(0, {.kept = 290, .prompt = 310, .thinking = 12, .answer = 8});
    const auto part = [&](std::size_t first, std::size_t last) {
        return std::vector<test::Record>(sink.records.begin() + static_cast<std::ptrdiff_t>(first),
                                         sink.records.begin() + static_cast<std::ptrdiff_t>(last));
    };
    const std::size_t all = sink.records.size();
    Aggregates aggregates = makeAggregates();
    std::vector<std::pair<std::size_t, std::shared_ptr<const Aggregates::State>>> states;
    std::size_t fed = 0;
    // In the middle of a chunk of rows, of the prompt, of a block, between the turns, at the end.
    for (const std::size_t upto :
         {std::size_t{0}, std::size_t{100}, std::size_t{256}, std::size_t{320}, all - 60, all}) {
        feed(aggregates, part(fed, upto));
        fed = upto;
        states.emplace_back(upto, aggregates.state());
    }
    const LaneSnapshot end = aggregates.snapshot()[0];
    for (const auto& [upto, state] : states) {
        SCOPED_TRACE(upto);
        Aggregates expected = makeAggregates();
        feed(expected, part(0, upto));
        aggregates.restore(*state);
        const auto there = aggregates.snapshot();
        ASSERT_EQ(there.size(), expected.snapshot().size());
        if (!there.empty()) test::expectSameLane(there[0], expected.snapshot()[0]);
        feed(aggregates, part(upto, all));
        test::expectSameLane(aggregates.snapshot()[0], end);
        // What went on from here changed nothing for those who come back once more.
        aggregates.restore(*state);
        if (!there.empty()) test::expectSameLane(aggregates.snapshot()[0], there[0]);
    }
}

TEST(Aggregates, copyALoadOnlyWhereItGrows) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 5, sink);
    engine.play(0, {});
    engine.play(1, {});
    Aggregates aggregates = makeAggregates();
    feed(aggregates, sink.records);
    const std::vector<LaneSnapshot> before = aggregates.snapshot();
    const auto state = aggregates.state();
    engine.row(1, {}, {});
    feed(aggregates, {sink.records.back()});
    const std::vector<LaneSnapshot> after = aggregates.snapshot();
    EXPECT_EQ(after[0].load, before[0].load);
    EXPECT_NE(after[1].load, before[1].load);
    EXPECT_EQ(after[1].load->allPhases(0).rows, before[1].load->allPhases(0).rows + 1);
    aggregates.restore(*state);
    EXPECT_EQ(aggregates.snapshot()[1].load, before[1].load);
}

/// Only a damaged record says this.
TEST(Aggregates, aForkWhosePromptMakesNoSenseTakesNoTokenThatIsNotThere) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 5, sink);
    engine.play(0, {});
    LaneEvent event;
    event.lane = 1;
    event.kind = LaneEventKind::kForked;
    event.position = 10;
    event.old_value = 9;
    engine.event(event);
    event.kind = LaneEventKind::kTurnStarted;
    event.value = -1000;
    engine.event(event);
    Aggregates aggregates = makeAggregates();
    feed(aggregates, sink.records);
    EXPECT_EQ(aggregates.snapshot()[1].history.tokenCount(), 10);
}

TEST(Aggregates, keepPastTurnsWhoseTokensLeftTheLane) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 4, sink);
    engine.play(0, {.kept = 0, .prompt = 8, .thinking = 4, .answer = 5});
    const std::size_t first_turn = sink.records.size();
    engine.play(0, {.kept = 6, .prompt = 14, .thinking = -1, .answer = 3});
    Aggregates aggregates = makeAggregates();
    feed(aggregates, {sink.records.begin(), sink.records.begin() + static_cast<std::ptrdiff_t>(first_turn)});
    const LaneSnapshot before = aggregates.snapshot()[0];
    feed(aggregates, {sink.records.begin() + static_cast<std::ptrdiff_t>(first_turn), sink.records.end()});
    const LaneSnapshot after = aggregates.snapshot()[0];
    ASSERT_EQ(after.turns.size(), 2U);
    EXPECT_EQ(after.turns[0].thinking_text, before.turns[0].thinking_text);
    EXPECT_EQ(after.turns[0].answer_text, before.turns[0].answer_text);
    EXPECT_EQ(bytesOf(after.historyOfTurn(0), 0, 20), bytesOf(before.history, 0, 20)) << "its own tokens stay";
    EXPECT_EQ(after.history.tokenCount(), 14 + 3 + 1);
    EXPECT_EQ(bytesOf(after.history, 0, 6), bytesOf(before.history, 0, 6)) << "kept prefix";
    EXPECT_NE(bytesOf(after.history, 6, 14), bytesOf(before.history, 6, 14));
    EXPECT_FALSE(after.turns[1].block_opened);
    EXPECT_EQ(after.turns[1].answer_text, bytesOf(after.historyOfTurn(1), 14, 17));
    EXPECT_EQ(after.load->allPhases(0).rows, 19 + 8 + 3) << "every row that was computed";
}

TEST(Aggregates, showTheSamePictureWhetherAskedOnceOrAfterEveryRecord) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 6, sink);
    engine.play(0, {.kept = 0, .prompt = 300, .thinking = 40, .answer = 5});
    engine.play(0, {.kept = 120, .prompt = 320, .thinking = 2, .answer = 5});
    Aggregates once = makeAggregates();
    feed(once, sink.records);
    Aggregates often = makeAggregates();
    for (const auto& record : sink.records) {
        feed(often, {record});
        often.snapshot();
    }
    test::expectSameLane(once.snapshot()[0], often.snapshot()[0]);
}

TEST(Aggregates, liveThroughTheRingEqualsReplay) {
    TraceRing ring(kShape, 1024);
    auto reader = ring.makeReader();
    SyntheticEngine engine(kShape, 8, ring);
    KeepingSink sink;
    SyntheticEngine same_engine(kShape, 8, sink);
    Aggregates live = makeAggregates();
    for (int turn = 0; turn < 3; ++turn) {
        const SyntheticEngine::Turn shape{.kept = turn * 5, .prompt = 20 + turn, .thinking = turn * 3, .answer = 7};
        engine.play(0, shape);
        same_engine.play(0, shape);
        while (reader.drain(
                   {[&](const StepTrace& trace) { live.add(trace); }, [&](const LaneEvent& event) { live.add(event); }},
                   5) > 0)
            live.snapshot();
    }
    Aggregates replayed = makeAggregates();
    feed(replayed, sink.records);
    test::expectSameLane(live.snapshot()[0], replayed.snapshot()[0]);
}

TEST(Aggregates, lanesDoNotMix) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 9, sink);
    engine.play(0, {.kept = 0, .prompt = 5, .thinking = 2, .answer = 2});
    engine.play(7, {.kept = 0, .prompt = 9, .thinking = -1, .answer = 3});
    Aggregates aggregates = makeAggregates();
    feed(aggregates, sink.records);
    const auto lanes = aggregates.snapshot();
    ASSERT_EQ(lanes.size(), 2U);
    EXPECT_EQ(lanes[0].lane, 0);
    EXPECT_EQ(lanes[1].lane, 7);
    EXPECT_EQ(lanes[0].history.rowCount(), 5 + 4 + 2);
    EXPECT_EQ(lanes[1].history.rowCount(), 9 + 3);
    EXPECT_EQ(lanes[1].load->allPhases(0).rows, 12);
    EXPECT_TRUE(lanes[1].checks[3].holds) << "serial numbers are shared by the lanes";
}

TEST(Aggregates, followSettingsAndWhatClosedTheBlock) {
    Aggregates aggregates = makeAggregates();
    LaneSettings settings;
    settings.budget = 100;
    aggregates.setSettings(0, settings);
    LaneEvent event;
    event.kind = LaneEventKind::kTurnStarted;
    event.value = 4;
    aggregates.add(event);
    event.kind = LaneEventKind::kBudgetChanged;
    event.old_value = 100;
    event.value = 4;
    aggregates.add(event);
    event.kind = LaneEventKind::kBudgetReached;
    aggregates.add(event);
    event.kind = LaneEventKind::kAnswerNow;
    aggregates.add(event);
    event.kind = LaneEventKind::kModeChanged;
    event.value = static_cast<std::int64_t>(ThinkingMode::kAuto);
    aggregates.add(event);
    event.kind = LaneEventKind::kPolicyChanged;
    std::copy_n("top-k:k=2", 10, event.text);
    aggregates.add(event);
    const LaneSnapshot lane = aggregates.snapshot()[0];
    EXPECT_EQ(lane.settings.budget, 4);
    EXPECT_EQ(lane.settings.policy, "top-k:k=2");
    EXPECT_EQ(lane.turns[0].settings, lane.settings);
    EXPECT_TRUE(lane.turns[0].closed_by_budget);
    EXPECT_TRUE(lane.turns[0].closed_by_hand);
    EXPECT_EQ(lane.settings.mode, ThinkingMode::kAuto);
    EXPECT_EQ(lane.events.size(), 6U);
    EXPECT_EQ(lane.state, LaneState::kPrefill);
}

TEST(Aggregates, expectTheSelectionsOfTheLanesOwnPolicy) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 2, sink);
    engine.play(0, {});
    for (const char* policy : {"top-k:k=4", "top-k:k=2"}) {
        Aggregates aggregates = makeAggregates();
        LaneSettings settings;
        settings.policy = policy;
        aggregates.setSettings(0, settings);
        feed(aggregates, sink.records);
        EXPECT_EQ(aggregates.snapshot()[0].checks[0].holds, std::string(policy) == "top-k:k=4") << policy;
    }
}

TEST(Aggregates, beginAnewAfterAClear) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 2, sink);
    engine.play(0, {});
    Aggregates aggregates = makeAggregates();
    feed(aggregates, sink.records);
    const LaneSnapshot before = aggregates.snapshot()[0];
    aggregates.clear();
    EXPECT_TRUE(aggregates.snapshot().empty());
    feed(aggregates, sink.records);
    test::expectSameLane(aggregates.snapshot()[0], before);
}

TEST(Aggregates, showTheTurnAsItGoes) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 2, sink);
    engine.play(0, {.kept = 0, .prompt = 3, .thinking = 2, .answer = 2});
    Aggregates aggregates = makeAggregates();
    std::vector<LaneState> states;
    for (const auto& record : sink.records) {
        feed(aggregates, {record});
        const LaneSnapshot lane = aggregates.snapshot()[0];
        if (states.empty() || states.back() != lane.state) states.push_back(lane.state);
        const TurnFacts& turn = lane.turns[0];
        const bool first_only = lane.history.tokenCount() == 4 && turn.first_generated_position == 3;
        if (first_only) {
            EXPECT_EQ(turn.tpot_ms, 0.0) << "one token has no distance";
            EXPECT_EQ(turn.tokens_per_s, 0.0);
        }
    }
    EXPECT_EQ(states,
              (std::vector{LaneState::kPrefill, LaneState::kThinking, LaneState::kAnswering, LaneState::kFinished}));
}

TEST(Aggregates, eachTurnHasItsOwnThinking) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 2, sink);
    engine.play(0, {.kept = 0, .prompt = 3, .thinking = 2, .answer = 2});
    engine.play(0, {.kept = 0, .prompt = 3, .thinking = 3, .answer = 2});
    Aggregates aggregates = makeAggregates();
    feed(aggregates, sink.records);
    const LaneSnapshot lane = aggregates.snapshot()[0];
    ASSERT_EQ(lane.turns.size(), 2U);
    EXPECT_EQ(lane.turns[0].thinking_text.size(), 2U);
    EXPECT_EQ(lane.turns[1].thinking_text.size(), 3U);
    EXPECT_EQ(lane.turns[1].thinking_text, bytesOf(lane.history, 4, 7));
}

TEST(Aggregates, countTagsWhereNoneBelongsAsLeaksAndNotAsTheAnswer) {
    Aggregates aggregates = makeAggregates();
    KeepingSink sink;
    SyntheticEngine engine(kShape, 1, sink);
    TokenTrace token;
    token.id = 'p';
    for (const TokenId id : {TokenId{'a'}, test::kSyntheticClose, TokenId{'b'}}) {
        TokenTrace next;
        next.position = token.position + 1;
        next.id = id;
        next.phase = Phase::kAnswer;
        next.flags = token_flag::kSampled;
        if (id == test::kSyntheticClose) next.flags |= token_flag::kTag | token_flag::kStray;
        engine.row(0, token, next);
        engine.endStep();
        token = next;
    }
    feed(aggregates, sink.records);
    const TurnFacts turn = aggregates.snapshot()[0].turns.back();
    EXPECT_EQ(turn.stray_tags, 1);
    EXPECT_EQ(turn.answer_tokens, 2);
    EXPECT_EQ(turn.answer_text, "a</think>b") << "what was said is shown";
}

TEST(Aggregates, keepTheSettingsOfEachTurn) {
    Aggregates aggregates = makeAggregates();
    LaneSettings first;
    first.sampling.seed = 1;
    aggregates.setSettings(0, first);
    const auto add = [&](LaneEventKind kind, std::int64_t value, std::string_view text = {}) {
        LaneEvent event;
        event.kind = kind;
        event.value = value;
        std::copy(text.begin(), text.end(), event.text);
        aggregates.add(event);
    };
    add(LaneEventKind::kTurnStarted, 4);
    add(LaneEventKind::kSamplingChanged, 0, R"({"seed":2,"temperature":0.35})");
    add(LaneEventKind::kEarlyStopChanged, 0, R"({"early_stop":"x</think>","early_stop_soft_rank":3})");
    add(LaneEventKind::kMaxTokensChanged, 30);
    add(LaneEventKind::kIgnoreEosChanged, 1);
    add(LaneEventKind::kFinished, static_cast<int>(StopReason::kEndOfTurn));
    add(LaneEventKind::kSamplingChanged, 0, R"({"seed":3})");
    LaneSettings ended = first;
    ended.sampling.seed = 2;
    ended.sampling.temperature = 0.35F;
    ended.early_stop = {.text = "x</think>", .soft_rank = 3};
    ended.max_tokens = 30;
    ended.ignore_eos = true;
    EXPECT_EQ(aggregates.snapshot()[0].turns[0].settings, ended) << "changed after its end";
    add(LaneEventKind::kTurnStarted, 4);
    const LaneSnapshot lane = aggregates.snapshot()[0];
    EXPECT_EQ(lane.turns[0].settings, ended);
    ended.sampling.seed = 3;
    EXPECT_EQ(lane.turns[1].settings, ended);
    EXPECT_EQ(lane.settings, ended);
}

TEST(Aggregates, textNeverEndsInsideACharacterAndInjectedTextIsCounted) {
    const std::string bytes[] = {"<think>", "a", "\xF0\x9F", "\x98\x80", "stop", "</think>", "\n\n", "\n", "b", "\xC3"};
    Aggregates aggregates(
        kShape, true, [&](TokenId id) { return id < 10 ? bytes[id] : std::string("p"); }, 4);
    KeepingSink sink;
    SyntheticEngine engine(kShape, 1, sink);
    TokenTrace token;
    token.id = 20;
    std::vector<std::string> thinking;
    std::string answer;
    for (TokenId id = 0; id < 10; ++id) {
        TokenTrace next;
        next.position = token.position + 1;
        next.id = id;
        next.phase = id <= 6 ? Phase::kThinking : Phase::kAnswer;
        next.flags = id >= 4 && id <= 6 ? token_flag::kInjected : token_flag::kSampled;
        if (id == 0 || id == 5) next.flags |= token_flag::kTag;
        next.thinking_tokens = std::min(id, 3);
        engine.row(0, token, next);
        engine.endStep();
        feed(aggregates, {sink.records.back()});
        const TurnFacts turn = aggregates.snapshot()[0].turns.back();
        thinking.push_back(turn.thinking_text);
        answer = turn.answer_text;
        token = next;
    }
    EXPECT_EQ(thinking[1], "a");
    EXPECT_EQ(thinking[2], "a") << "half a character is not shown";
    EXPECT_EQ(thinking[3], "a\xF0\x9F\x98\x80");
    EXPECT_EQ(thinking[9], "a\xF0\x9F\x98\x80stop") << "not the blank lines behind the tag";
    EXPECT_EQ(answer, "b") << "without leading blank lines and without half a character";
    LaneEvent finished;
    finished.serial = engine.serial();
    finished.kind = LaneEventKind::kFinished;
    finished.value = static_cast<std::int64_t>(StopReason::kStopped);
    aggregates.add(finished);
    const TurnFacts turn = aggregates.snapshot()[0].turns.back();
    EXPECT_EQ(turn.answer_text, "b\xEF\xBF\xBD");
    EXPECT_EQ(turn.injected_tokens, 3);
    EXPECT_DOUBLE_EQ(turn.thinking_ms, 5.0) << "the blank lines behind the tag take no part";
    EXPECT_EQ(turn.thinking_tokens, 3);
    EXPECT_EQ(turn.answer_tokens, 3);
}

}  // namespace
}  // namespace mixoscope
