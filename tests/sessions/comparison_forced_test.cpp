// Teacher-forced passes against forward passes of their own.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "comparison_fixture_test.h"
#include "engine/next_token_divergence.h"
#include "engine/sampler.h"

namespace mixoscope {
namespace {

using namespace test;

TEST_F(ComparisonTest, ForcedOnTheBaselinesTokensIdenticalPoliciesDifferByNothing) {
    const auto comparison = run({laneWith("model", 1), laneWith("model", 2), laneWith("top-k:k=2", 3)});
    comparison->startForced();
    finish(*comparison);
    const auto shown = comparison->snapshot();
    ASSERT_TRUE(shown->forced_complete);
    const ComparedLane& base = shown->lanes[0];
    for (const ComparedLane& lane : shown->lanes) {
        ASSERT_TRUE(lane.forced_tokens);
        ASSERT_FALSE(lane.forced_tokens->empty());
        EXPECT_EQ(*lane.forced_tokens, *base.forced_tokens);
        for (const ForcedTokenMeasures& token : *lane.forced_tokens) {
            EXPECT_EQ(token.divergence, 0.0);
            EXPECT_TRUE(token.same_top);
        }
        EXPECT_EQ(lane.quality.nll_change.mean, 0.0);
        EXPECT_EQ(lane.quality.nll_change.low, 0.0);
        EXPECT_EQ(lane.quality.nll_change.high, 0.0);
        EXPECT_EQ(lane.forced_overlap.jaccard, 1.0);
        EXPECT_EQ(lane.forced_overlap.overlap, 1.0);
        EXPECT_EQ(lane.forced_overlap.weight_distance, 0.0);
        EXPECT_EQ(lane.forced.turns.back().stop_reason, StopReason::kMaxTokens);
    }
    // The baseline fed its own tokens is the baseline: rows, and judgements of the tokens that it drew.
    const auto own = sink.ofLane(base.origin.lane);
    const auto forced = sink.ofLane(base.forced_lane);
    ASSERT_EQ(own.size(), forced.size());
    for (std::size_t row = 0; row < own.size(); ++row) {
        EXPECT_EQ(own[row].expert_ids, forced[row].expert_ids);
        EXPECT_EQ(own[row].expert_weights, forced[row].expert_weights);
    }
    std::size_t judged = 0;
    for (const TokenTrace& token : sink.chosen(base.origin.lane)) {
        if ((token.flags & token_flag::kInjected) != 0) continue;
        const ForcedTokenMeasures& measured = base.forced_tokens->at(judged++);
        EXPECT_EQ(measured.position, token.position);
        EXPECT_EQ(measured.token, token.id);
        EXPECT_NEAR(measured.logprob, static_cast<double>(token.logprob), 1e-5);
    }
    EXPECT_EQ(judged, base.forced_tokens->size()) << "every token that was drawn, no injected one";
    EXPECT_LT(judged, 24U);
}

TEST_F(ComparisonTest, ForcedMeasuresEqualThoseOfAForwardPassOfEachPolicy) {
    const auto comparison = run(fourLanes());
    comparison->startForced();
    finish(*comparison);
    const auto shown = comparison->snapshot();
    const std::vector<TokenId> sequence = comparison->generation().tokens(shown->lanes[0].origin.lane);
    const auto prompt_tokens = prompt().ids.size();
    // Logits of every row, from generations of their own that are fed one token a step.
    std::vector<std::vector<std::vector<float>>> logits;
    for (const ComparedLane& lane : shown->lanes) {
        Generation generation(loaded->model, *loaded->backend, {.max_lanes = 1, .slots = 4}, nullptr);
        LaneSettings settings = shown->lanes[0].settings;
        settings.policy = lane.settings.policy;
        const LaneId id = generation.addLane(settings);
        generation.startTurn(id, prompt().ids, true);
        ForcedContinuation continuation{.tokens = {}, .ends_turn = true};
        for (std::size_t position = prompt_tokens; position < sequence.size(); ++position) {
            const TokenTrace token =
                comparison->generation().token(shown->lanes[0].origin.lane, static_cast<std::int32_t>(position));
            continuation.tokens.push_back({.id = token.id, .injected = (token.flags & token_flag::kInjected) != 0});
        }
        generation.forceContinuation(id, continuation);
        auto& rows = logits.emplace_back();
        while (generation.step()) {
            const auto row = generation.lastLogits(id);
            rows.emplace_back(row.begin(), row.end());
        }
        ASSERT_EQ(rows.size(), 24U);
    }
    for (std::size_t index = 0; index < 4; ++index) {
        const ComparedLane& lane = shown->lanes[index];
        double nll = 0.0;
        double divergence = 0.0;
        for (const ForcedTokenMeasures& token : *lane.forced_tokens) {
            const std::size_t row = static_cast<std::size_t>(token.position) - prompt_tokens;
            long double expected = 0.0L;
            long double base_sum = 0.0L;
            long double lane_sum = 0.0L;
            for (const float logit : logits[0][row]) base_sum += std::exp(static_cast<long double>(logit));
            for (const float logit : logits[index][row]) lane_sum += std::exp(static_cast<long double>(logit));
            for (std::size_t id = 0; id < logits[0][row].size(); ++id) {
                const long double p = static_cast<long double>(logits[0][row][id]) - std::log(base_sum);
                const long double q = static_cast<long double>(logits[index][row][id]) - std::log(lane_sum);
                expected += std::exp(p) * (p - q);
            }
            EXPECT_NEAR(token.divergence, static_cast<double>(expected), 1e-12);
            const auto logit = static_cast<long double>(logits[index][row][static_cast<std::size_t>(token.token)]);
            EXPECT_NEAR(token.logprob, static_cast<double>(logit - std::log(lane_sum)), 1e-12);
            nll -= token.logprob / static_cast<double>(lane.forced_tokens->size());
            divergence += token.divergence / static_cast<double>(lane.forced_tokens->size());
        }
        EXPECT_NEAR(lane.quality.nll, nll, 1e-9);
        EXPECT_NEAR(lane.quality.divergence, divergence, 1e-9);
        EXPECT_EQ(lane.quality.divergence > 0.0, index != 0);
        // Overlap from the raw rows, the prompt's last row and those after it.
        const auto base_rows = sink.ofLane(shown->lanes[0].forced_lane);
        const auto lane_rows = sink.ofLane(lane.forced_lane);
        double jaccard = 0.0;
        int cells = 0;
        for (std::size_t row = prompt_tokens - 1; row < lane_rows.size(); ++row) {
            for (std::size_t layer = 0; layer < 3; ++layer) {
                std::set<int> left;
                std::set<int> right;
                for (std::size_t slot = 0; slot < 4; ++slot) {
                    if (base_rows[row].expert_ids[layer * 4 + slot] >= 0)
                        left.insert(base_rows[row].expert_ids[layer * 4 + slot]);
                    if (lane_rows[row].expert_ids[layer * 4 + slot] >= 0)
                        right.insert(lane_rows[row].expert_ids[layer * 4 + slot]);
                }
                std::set<int> either = left;
                either.insert(right.begin(), right.end());
                const std::size_t both = left.size() + right.size() - either.size();
                jaccard += either.empty() ? 1.0 : static_cast<double>(both) / static_cast<double>(either.size());
                ++cells;
            }
        }
        EXPECT_NEAR(lane.forced_overlap.jaccard, jaccard / cells, 1e-9) << index;
    }
}

}  // namespace
}  // namespace mixoscope
