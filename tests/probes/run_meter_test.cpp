// What a run's meter counts, against the records themselves.
#include "probes/run_meter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::KeepingSink;
using test::SyntheticEngine;

constexpr TraceShape kShape{.moe_layers = 3, .slots = 2, .experts = 5};

RunMeter metered(const KeepingSink& sink) {
    RunMeter meter(kShape);
    for (const test::Record& record : sink.records) {
        if (record.is_event)
            meter.add(record.event);
        else
            meter.add(record.row.view());
    }
    return meter;
}

TEST(RunMeter, CountsTheRowsAfterThePrompt) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 2, sink);
    engine.play(0, {.kept = 0, .prompt = 7, .thinking = 6, .answer = 4});
    const RunMeter meter = metered(sink);
    RunMeasures expected;
    std::vector<std::uint32_t> load(15);
    std::vector<TokenId> answer;
    for (const test::Record& record : sink.records) {
        if (record.is_event) continue;
        const StepTrace trace = record.row.view();
        if (trace.next.id >= 0 && trace.next.phase == Phase::kAnswer &&
            (trace.next.flags & (token_flag::kTag | token_flag::kEndOfTurn)) == 0)
            answer.push_back(trace.next.id);
        if (trace.token.phase == Phase::kPrompt) continue;
        ++expected.rows;
        for (std::size_t i = 0; i < trace.expert_ids.size(); ++i) {
            if (trace.expert_ids[i] < 0) continue;
            ++expected.ran;
            ++load[i / 2 * 5 + static_cast<std::size_t>(trace.expert_ids[i])];
        }
    }
    EXPECT_GT(expected.rows, 8);
    EXPECT_EQ(meter.measures().rows, expected.rows);
    EXPECT_EQ(meter.measures().ran, expected.ran);
    EXPECT_EQ(meter.measures().load, load);
    EXPECT_EQ(meter.answer(), answer);
    EXPECT_EQ(meter.answer().size(), 4U);
}

TEST(RunMeter, TellsDroppedFromVirtualAndSharesTheStepsTime) {
    std::vector<std::int16_t> ids = {1, notRunId<std::int16_t>(2), 0, notRunId<std::int16_t>(4), 3, -1};
    std::vector<float> weights(6);
    std::vector<RouterFacts> router(3);
    router[0].flags = layer_flag::kDropped;
    router[1].flags = layer_flag::kVirtual;
    StepTrace trace;
    trace.rows_in_step = 4;
    trace.step_us = 2000;
    trace.token.phase = Phase::kThinking;
    trace.next = {
        .id = 9, .phase = Phase::kAnswer, .flags = token_flag::kSampled | token_flag::kStray | token_flag::kTag};
    trace.expert_ids = ids;
    trace.expert_weights = weights;
    trace.router = router;
    RunMeter meter(kShape);
    meter.add(trace);
    EXPECT_EQ(meter.measures().ran, 3);
    EXPECT_EQ(meter.measures().dropped, 1);
    EXPECT_EQ(meter.measures().virtual_selections, 1);
    EXPECT_EQ(meter.measures().stray_tags, 1);
    EXPECT_TRUE(meter.answer().empty());
    EXPECT_DOUBLE_EQ(meter.measures().generated_ms, 0.5);
    trace.token.phase = Phase::kPrompt;
    meter.add(trace);
    EXPECT_EQ(meter.measures().ran, 3) << "a prompt's row";
    EXPECT_EQ(meter.measures().prompt_selections, 5);
    EXPECT_EQ(meter.measures().prompt_dropped, 1);
    EXPECT_DOUBLE_EQ(meter.measures().prompt_ms, 0.5);
    LaneEvent event;
    event.kind = LaneEventKind::kBudgetReached;
    meter.add(event);
    event.kind = LaneEventKind::kFinished;
    event.old_value = 1;
    meter.add(event);
    EXPECT_TRUE(meter.measures().closed_by_budget);
    EXPECT_TRUE(meter.measures().block_left_open);
}

TEST(RunMeter, SumsTheNllOfTokensThatWereGiven) {
    std::vector<std::int16_t> ids(6, -1);
    std::vector<float> weights(6);
    std::vector<RouterFacts> router(3);
    StepTrace trace;
    trace.rows_in_step = 1;
    trace.expert_ids = ids;
    trace.expert_weights = weights;
    trace.router = router;
    RunMeter meter(kShape);
    const std::uint8_t flags[] = {token_flag::kForced, token_flag::kSampled, token_flag::kForced,
                                  token_flag::kForced | token_flag::kInjected};
    for (const std::uint8_t flag : flags) {
        trace.next = {.id = 9, .phase = Phase::kAnswer, .flags = flag, .logprob = -1.5F};
        meter.add(trace);
    }
    EXPECT_EQ(meter.measures().scored_tokens, 2) << "neither what was drawn nor what was injected";
    EXPECT_DOUBLE_EQ(meter.measures().nll, 3.0);
}

}  // namespace
}  // namespace mixoscope
