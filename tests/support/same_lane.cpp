#include "support/same_lane.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/synthetic_trace.h"

namespace mixoscope::test {

void expectSameLane(const LaneSnapshot& a, const LaneSnapshot& b) {
    const std::int32_t layers = a.history.shape().moe_layers;
    ASSERT_EQ(layers, b.history.shape().moe_layers);
    EXPECT_EQ(a.lane, b.lane);
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.settings, b.settings);
    ASSERT_EQ(a.history.tokenCount(), b.history.tokenCount());
    ASSERT_EQ(a.history.rowCount(), b.history.rowCount());
    for (std::int32_t position = 0; position < a.history.tokenCount(); ++position) {
        EXPECT_TRUE(sameToken(a.history.token(position).trace, b.history.token(position).trace));
        EXPECT_EQ(a.history.token(position).bytes, b.history.token(position).bytes);
        EXPECT_EQ(a.history.token(position).time_us, b.history.token(position).time_us);
        EXPECT_EQ(a.history.token(position).step, b.history.token(position).step);
        if (position >= a.history.rowCount()) continue;
        for (std::int32_t layer = 0; layer < layers; ++layer) {
            EXPECT_TRUE(std::ranges::equal(a.history.experts(position, layer), b.history.experts(position, layer)));
            EXPECT_TRUE(std::ranges::equal(a.history.weights(position, layer), b.history.weights(position, layer)));
        }
    }
    for (std::int32_t layer = 0; layer < layers; ++layer)
        EXPECT_EQ(a.load->allPhases(layer).selections, b.load->allPhases(layer).selections);
    ASSERT_EQ(a.turns.size(), b.turns.size());
    for (std::size_t i = 0; i < a.turns.size(); ++i) {
        EXPECT_EQ(a.turns[i].thinking_text, b.turns[i].thinking_text);
        EXPECT_EQ(a.turns[i].answer_text, b.turns[i].answer_text);
        EXPECT_EQ(a.turns[i].thinking_tokens, b.turns[i].thinking_tokens);
        EXPECT_EQ(a.turns[i].settings, b.turns[i].settings);
        EXPECT_EQ(a.turns[i].stop_reason, b.turns[i].stop_reason);
        EXPECT_EQ(a.turns[i].first_generated_position, b.turns[i].first_generated_position);
        EXPECT_EQ(a.turns[i].ttft_ms, b.turns[i].ttft_ms);
        EXPECT_EQ(a.turns[i].tpot_ms, b.turns[i].tpot_ms);
    }
    ASSERT_EQ(a.checks.size(), b.checks.size());
    for (std::size_t i = 0; i < a.checks.size(); ++i) EXPECT_EQ(a.checks[i].equation, b.checks[i].equation);
    ASSERT_EQ(a.events.size(), b.events.size());
    for (std::size_t i = 0; i < a.events.size(); ++i) EXPECT_TRUE(sameEvent(a.events[i], b.events[i]));
}

}  // namespace mixoscope::test
