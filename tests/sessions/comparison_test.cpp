// Comparisons end to end on a small random model: what is shown equals what the raw trace says, by sums made here;
// lanes are what they would be alone; forced passes, forks and attributions against runs of their own; the session
// reads back.
#include "sessions/comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "engine/forward.h"
#include "engine/next_token_divergence.h"
#include "engine/routing_policy.h"
#include "sessions/attribution.h"
#include "sessions/comparison_export.h"
#include "sessions/session_file.h"
#include "support/collecting_sink.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using test::CollectingSink;

LaneSettings laneWith(const std::string& policy, std::uint64_t seed = 3) {
    LaneSettings settings;
    settings.policy = policy;
    settings.sampling = {.temperature = 1.0F, .top_p = 0.95F, .seed = seed};
    settings.max_tokens = 24;
    settings.ignore_eos = true;
    settings.budget = 6;
    settings.early_stop.text = "enough</think>\n";
    return settings;
}

std::vector<LaneSettings> fourLanes() {
    return {laneWith("model"), laneWith("top-k:k=1,capacity=1.25"), laneWith("any-experts:min=1,max=4,virtual=0.4"),
            laneWith("random:k=2,seed=1")};
}

class ComparisonTest : public testing::Test {
protected:
    ComparisonTest() {
        test::writeTinyModel(model_directory, {.seed = 9});
        WorkbenchOptions options;
        options.threads = 2;
        loaded = loadModel(model_directory.string(), options, [](std::string_view) {});
    }

    /// Ids that open the block, so that budgets act although random weights never say <think>.
    static ComparisonPrompt prompt() {
        ComparisonPrompt made;
        for (TokenId id = 40; id < 70; ++id) made.ids.push_back(id);
        made.ids.push_back(test::kTinyThinkOpen);
        return made;
    }
    std::unique_ptr<Comparison> make(const std::vector<LaneSettings>& lanes, const ComparisonPrompt& asked = prompt()) {
        Comparison::Options options;
        options.also = &sink;
        options.wait_for_readers = true;
        options.record = file;
        options.metadata = {{"title", "four lanes"}};
        return std::make_unique<Comparison>(loaded, asked, lanes, std::move(options));
    }
    static void finish(Comparison& comparison) {
        while (comparison.step()) {
        }
    }
    std::unique_ptr<Comparison> run(const std::vector<LaneSettings>& lanes) {
        auto comparison = make(lanes);
        comparison->startRun();
        finish(*comparison);
        return comparison;
    }

    test::TemporaryDirectory directory;
    std::filesystem::path model_directory = directory.path();
    std::filesystem::path file;  // of the session; empty: none
    std::shared_ptr<LoadedModel> loaded;
    CollectingSink sink;
};

std::vector<TokenId> generatedIds(const LaneSnapshot& lane) {
    std::vector<TokenId> ids;
    for (std::int32_t position = lane.turns.back().first_generated_position; position < lane.history.tokenCount();
         ++position)
        ids.push_back(lane.history.token(position).trace.id);
    return ids;
}

/// Every count of a lane, made from the raw rows alone.
RoutingCounts countRaw(const CollectingSink& sink, LaneId lane, bool of_prompt,
                       const std::vector<std::int64_t>& bytes) {
    RoutingCounts counts;
    std::map<Step, std::vector<std::set<int>>> read;  // (steps, layers) experts
    for (const auto& row : sink.ofLane(lane)) {
        if ((row.trace.token.phase == Phase::kPrompt) != of_prompt) continue;
        ++counts.rows;
        const std::size_t layers = row.router.size();
        counts.layer_rows += static_cast<std::int64_t>(layers);
        const std::size_t slots = row.expert_ids.size() / layers;
        auto& experts = read.try_emplace(row.trace.step, layers).first->second;
        for (std::size_t index = 0; index < row.expert_ids.size(); ++index) {
            const std::size_t layer = index / slots;
            const int id = row.expert_ids[index];
            if (id >= 0) {
                ++counts.ran;
                experts[layer].insert(id);
            } else if (id <= -2) {
                const bool is_virtual = (row.router[layer].flags & layer_flag::kVirtual) != 0;
                ++(is_virtual ? counts.virtual_selections : counts.dropped);
            }
        }
    }
    for (const auto& [step, layers] : read) {
        for (std::size_t layer = 0; layer < layers.size(); ++layer) {
            counts.distinct += static_cast<std::int64_t>(layers[layer].size());
            counts.bytes += bytes[layer] * static_cast<std::int64_t>(layers[layer].size());
        }
    }
    return counts;
}

TEST_F(ComparisonTest, WhatIsShownIsWhatTheRawTraceSays) {
    const auto comparison = run(fourLanes());
    const auto shown = comparison->snapshot();
    EXPECT_EQ(shown->state, ComparisonState::kReady);
    ASSERT_EQ(shown->lanes.size(), 4U);
    const std::vector<std::int64_t> bytes = loaded->model.expertBytes();
    const std::vector<TokenId> base = generatedIds(shown->lanes[0].free);
    for (std::size_t index = 0; index < 4; ++index) {
        const ComparedLane& lane = shown->lanes[index];
        EXPECT_EQ(lane.origin.tag, static_cast<std::int32_t>(index));
        ASSERT_EQ(lane.free.turns.size(), 1U);
        EXPECT_EQ(lane.free_prompt, countRaw(sink, lane.origin.lane, true, bytes)) << index;
        EXPECT_EQ(lane.free_generated, countRaw(sink, lane.origin.lane, false, bytes)) << index;
        const std::vector<TokenId> ids = generatedIds(lane.free);
        EXPECT_EQ(ids.size(), 24U);
        std::int32_t first = -1;
        for (std::size_t token = 0; token < ids.size() && first < 0; ++token) {
            if (ids[token] != base[token]) first = static_cast<std::int32_t>(token);
        }
        EXPECT_EQ(lane.first_divergence, first) << index;
        for (const CheckResult& check : lane.free.checks)
            EXPECT_TRUE(check.holds) << check.name << ": " << check.violation;
        EXPECT_GT(lane.ttft_ms, 0.0);
        EXPECT_GT(lane.tpot_ms, 0.0);
        EXPECT_GE(lane.latency_ms, lane.ttft_ms);
        EXPECT_EQ(lane.free.settings.policy, laneWith(fourLanes()[index].policy).policy);
    }
    EXPECT_GT(shown->lanes[1].free_prompt.dropped, 0);
    ASSERT_EQ(shown->lanes[1].notes.size(), 1U);
    EXPECT_GT(shown->lanes[2].free_generated.virtual_selections, 0);
    EXPECT_NE(shown->lanes[3].first_divergence, -1);
    EXPECT_EQ(shown->lanes[3].free_generated.ranPerLayer(), 2.0);
    EXPECT_TRUE(std::isnan(shown->lanes[0].free_load_moved));
    EXPECT_GT(shown->lanes[3].free_load_moved, 0.0);
    EXPECT_EQ(shown->prompt_copies, 4);
    EXPECT_GT(shown->step_ms, 0.0);
}

/// A lane's rows without what tells of its neighbours.
std::vector<unsigned char> bytesOf(const CollectingSink& sink, LaneId lane, std::int32_t from = 0) {
    std::vector<unsigned char> bytes;
    const auto add = [&](const auto& value) {
        const auto* first = reinterpret_cast<const unsigned char*>(&value);
        bytes.insert(bytes.end(), first, first + sizeof value);
    };
    for (const auto& row : sink.ofLane(lane)) {
        if (row.trace.token.position < from) continue;
        for (const TokenTrace& token : {row.trace.token, row.trace.next}) {
            add(token.position), add(token.id), add(token.phase), add(token.flags), add(token.logprob), add(token.rank);
        }
        for (std::size_t slot = 0; slot < row.expert_ids.size(); ++slot) {
            if (row.expert_ids[slot] != -1) add(row.expert_ids[slot]), add(row.expert_weights[slot]);
        }
        for (const RouterFacts& facts : row.router) add(facts.entropy), add(facts.top_probability);
    }
    return bytes;
}

TEST_F(ComparisonTest, ALaneIsTheSameBesideSevenOthersAsBesideOne) {
    std::vector<LaneSettings> lanes = fourLanes();
    for (const char* policy : {"top-p:p=0.6", "hash:k=2", "bias-balanced:rate=0.01", "ban:experts=0-3"})
        lanes.push_back(laneWith(policy, 8));
    const auto eight = run(lanes);
    const CollectingSink all = std::move(sink);
    for (std::size_t index = 0; index < lanes.size(); ++index) {
        sink = {};
        const auto two = run({lanes[index], laneWith("top-k:k=4", 99)});
        const LaneId among_all = eight->snapshot()->lanes[index].origin.lane;
        const LaneId among_two = two->snapshot()->lanes[0].origin.lane;
        EXPECT_EQ(bytesOf(all, among_all), bytesOf(sink, among_two)) << lanes[index].policy;
        const auto left = eight->generation().lastLogits(among_all);
        const auto right = two->generation().lastLogits(among_two);
        EXPECT_EQ(std::memcmp(left.data(), right.data(), left.size_bytes()), 0) << lanes[index].policy;
        EXPECT_EQ(eight->snapshot()->lanes[index].free.turns.back().answer_text,
                  two->snapshot()->lanes[0].free.turns.back().answer_text);
    }
}

TEST_F(ComparisonTest, LanesWithOnePolicyShareOnePromptAndAreWhatTheyWouldBeWithout) {
    const auto comparison = run({laneWith("model", 1), laneWith("model", 2), laneWith("top-k:k=3", 1),
                                 laneWith("top-k:k=1,capacity=1.25", 1), laneWith("top-k:k=1,capacity=1.25", 5),
                                 laneWith("bias-balanced:rate=0.01", 1), laneWith("bias-balanced:rate=0.01", 2)});
    const auto shown = comparison->snapshot();
    const auto prompt_tokens = static_cast<std::int32_t>(prompt().ids.size());
    EXPECT_EQ(shown->prompt_tokens, prompt_tokens);
    EXPECT_EQ(shown->lanes[1].shared_prompt_tokens, prompt_tokens - 1)
        << "all but the row that chooses the first token";
    EXPECT_EQ(shown->lanes[6].shared_prompt_tokens, 0) << "this policy goes by the lane's past";
    EXPECT_EQ(shown->prompt_copies, 6);
    for (const auto& [with, seed, policy] :
         {std::tuple{1, 2, "model"}, {4, 5, "top-k:k=1,capacity=1.25"}, {6, 2, "bias-balanced:rate=0.01"}}) {
        const auto others = run({laneWith(policy, static_cast<std::uint64_t>(seed)), laneWith("random:k=1")});
        const ComparedLane& alone = others->snapshot()->lanes[0];
        const ComparedLane& sharing = shown->lanes[static_cast<std::size_t>(with)];
        EXPECT_EQ(generatedIds(sharing.free), generatedIds(alone.free)) << policy;
        EXPECT_EQ(sharing.free_generated, alone.free_generated) << policy;
        EXPECT_EQ(sharing.free_prompt, alone.free_prompt) << policy << ": shared rows count for whoever has them";
        for (std::int32_t layer = 0; layer < 3; ++layer)
            EXPECT_EQ(sharing.free.load->allPhases(layer).selections, alone.free.load->allPhases(layer).selections);
        EXPECT_GT(sharing.ttft_ms, 0.0);
    }
}

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

TEST_F(ComparisonTest, ForkingWithNothingChangedIsTheSameLane) {
    const auto comparison = run({laneWith("model"), laneWith("top-k:k=1,capacity=1.25")});
    for (const std::size_t parent : {0U, 1U}) {
        for (const int after : {0, 1, 3, 15}) {
            const auto before = comparison->snapshot();
            const ComparedLane& lane = before->lanes[parent];
            ForkRequest request{.lane = lane.origin.lane,
                                .position = lane.free.turns.back().first_generated_position + after,
                                .settings = lane.settings,
                                .token = {}};
            comparison->startFork(request);
            finish(*comparison);
            const auto shown = comparison->snapshot();
            const ComparedLane& fork = shown->lanes.back();
            EXPECT_EQ(fork.origin.role, LaneRole::kFork);
            EXPECT_EQ(fork.origin.parent, lane.origin.lane);
            EXPECT_EQ(fork.origin.change, "");
            EXPECT_EQ(generatedIds(fork.free), generatedIds(lane.free)) << "after " << after;
            EXPECT_EQ(fork.free.turns.back().answer_text, lane.free.turns.back().answer_text);
            EXPECT_EQ(fork.free.turns.back().thinking_text, lane.free.turns.back().thinking_text);
            EXPECT_EQ(fork.free.turns.back().thinking_tokens, lane.free.turns.back().thinking_tokens);
            EXPECT_EQ(fork.free_generated, lane.free_generated);
            EXPECT_EQ(fork.free_prompt, lane.free_prompt);
            // A policy that goes by a whole step has the step computed again.
            const std::int32_t first_row = sink.ofLane(fork.origin.lane).front().trace.token.position;
            EXPECT_LT(first_row, fork.origin.position);
            EXPECT_EQ(bytesOf(sink, fork.origin.lane), bytesOf(sink, lane.origin.lane, first_row));
            for (const CheckResult& check : fork.free.checks) EXPECT_TRUE(check.holds) << check.violation;
            comparison->removeLane(shown->lanes.size() - 1);
            finish(*comparison);
        }
    }
}

TEST_F(ComparisonTest, AForkSaysWhatItChangesAndIsRefusedWhereNothingCanBeForked) {
    const auto comparison = run({laneWith("model"), laneWith("top-k:k=1")});
    const auto shown = comparison->snapshot();
    const ComparedLane& base = shown->lanes[0];
    LaneSettings changed = base.settings;
    changed.policy = "model+ban:experts=2,layers=1";
    const std::int32_t at = base.free.turns.back().first_generated_position + 2;
    const TokenId other = base.free.history.token(at).trace.id == 'x' ? 'y' : 'x';
    comparison->startFork({.lane = base.origin.lane, .position = at, .settings = changed, .token = other});
    finish(*comparison);
    const ComparedLane fork = comparison->snapshot()->lanes.back();
    EXPECT_EQ(fork.origin.position, at);
    EXPECT_EQ(fork.origin.change,
              std::string("policy model → model+ban:experts=2,layers=1, token \"") + static_cast<char>(other) + "\"");
    EXPECT_EQ(fork.first_divergence, 2);
    EXPECT_EQ(fork.free.settings.policy, "model+ban:experts=2,layers=1");
    const auto refused = [&](ForkRequest request) {
        EXPECT_THROW(comparison->startFork(request), Error) << request.position;
        EXPECT_EQ(comparison->snapshot()->lanes.size(), 3U);
    };
    refused({.lane = base.origin.lane, .position = 3, .settings = base.settings, .token = {}});
    refused({.lane = base.origin.lane, .position = 1000, .settings = base.settings, .token = {}});
    refused({.lane = base.origin.lane, .position = at + 22, .settings = base.settings, .token = {}});  // the limit
    refused({.lane = 99, .position = at, .settings = base.settings, .token = {}});
    LaneSettings nonsense = base.settings;
    nonsense.policy = "top-k:k=99";
    refused({.lane = base.origin.lane, .position = at, .settings = nonsense, .token = {}});
    refused({.lane = base.origin.lane, .position = at, .settings = base.settings, .token = 100000});
}

TEST_F(ComparisonTest, SettingsChangeAndLanesComeAndGoWhileItRuns) {
    std::vector<LaneSettings> lanes = {laneWith("model"), laneWith("top-k:k=1")};
    for (LaneSettings& lane : lanes) lane.max_tokens = 60;
    auto comparison = make(lanes);
    comparison->startRun();
    for (int step = 0; step < 6; ++step) ASSERT_TRUE(comparison->step());
    LaneSettings changed = lanes[1];
    changed.policy = "top-k:k=3";
    comparison->setLane(1, changed);
    LaneSettings refused = lanes[1];
    refused.policy = "no-such-policy";
    comparison->setLane(0, refused);
    EXPECT_TRUE(comparison->snapshot()->lanes[0].error);
    comparison->addLane(laneWith("top-k:k=4"));
    for (int step = 0; step < 4; ++step) ASSERT_TRUE(comparison->step());
    comparison->addLane(laneWith("hash:k=2"));
    ASSERT_TRUE(comparison->step());
    EXPECT_EQ(comparison->snapshot()->lanes.size(), 4U);
    comparison->removeLane(2);
    finish(*comparison);
    const auto shown = comparison->snapshot();
    ASSERT_EQ(shown->lanes.size(), 3U);
    EXPECT_EQ(shown->lanes[2].origin.tag, 3);
    EXPECT_EQ(shown->lanes[0].settings.policy, "model");
    EXPECT_EQ(shown->lanes[1].free.settings.policy, "top-k:k=3");
    const auto events = sink.eventsOf(LaneEventKind::kPolicyChanged, shown->lanes[1].origin.lane);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_GT(events[0].step, 3);
    EXPECT_EQ(generatedIds(shown->lanes[2].free).size(), 24U);
    EXPECT_GT(shown->lanes[2].ttft_ms, 0.0);
}

TEST_F(ComparisonTest, StoppingEndsARunAndLeavesAForcedPassIncomplete) {
    auto comparison = make({laneWith("model"), laneWith("top-k:k=1")});
    comparison->startRun();
    for (int step = 0; step < 8; ++step) ASSERT_TRUE(comparison->step());
    comparison->stop();
    finish(*comparison);
    EXPECT_EQ(comparison->snapshot()->lanes[0].free.turns.back().stop_reason, StopReason::kStopped);
    comparison->startForced();
    for (int step = 0; step < 3; ++step) ASSERT_TRUE(comparison->step());
    comparison->stop();
    finish(*comparison);
    const auto shown = comparison->snapshot();
    EXPECT_FALSE(shown->forced_complete);
    EXPECT_LT(shown->done, shown->total);
    EXPECT_TRUE(std::isnan(shown->lanes[1].quality.nll_change.low));
    comparison->startForced();
    finish(*comparison);
    EXPECT_TRUE(comparison->snapshot()->forced_complete);
    EXPECT_FALSE(std::isnan(comparison->snapshot()->lanes[1].quality.nll_change.low));
    comparison->startAlone();
    finish(*comparison);
    for (const ComparedLane& lane : comparison->snapshot()->lanes) {
        EXPECT_GT(lane.alone_tpot_ms, 0.0);
        EXPECT_GT(lane.alone_ttft_ms, 0.0);
        for (const auto& row : sink.ofLane(lane.alone_lane)) {
            if (row.trace.token.phase != Phase::kPrompt) {
                EXPECT_LE(row.trace.rows_in_step, 20);
            }
        }
    }
}

TEST_F(ComparisonTest, RefusesBeforeAnythingRuns) {
    const auto refused = [&](std::vector<LaneSettings> lanes, const std::string& mentions) {
        file = directory / "refused.mixo";
        try {
            run(lanes);
            ADD_FAILURE() << "not refused: " << mentions;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(mentions), std::string::npos) << error.what();
        }
        EXPECT_FALSE(std::filesystem::exists(file));
        EXPECT_TRUE(sink.rows.empty());
    };
    refused({laneWith("model")}, "2 to 8");
    refused(std::vector<LaneSettings>(9, laneWith("model")), "2 to 8");
    refused({laneWith("model"), laneWith("no-such")}, "lane 1");
    refused({laneWith("model"), laneWith("top-k:k=2,capacity=0")}, "capacity");
    refused({laneWith("model"), laneWith("top-k:k=9")}, "lane 1");
    refused({laneWith("ban:experts=0-7"), laneWith("model")}, "lane 0");
    LaneSettings hot = laneWith("model");
    hot.sampling.temperature = -1.0F;
    refused({laneWith("model"), hot}, "temperature");
}

TEST_F(ComparisonTest, AnExpertsPartIsWhatAForwardPassWithoutItSays) {
    auto comparison =
        run({laneWith("model"), laneWith("top-k:k=1,capacity=1.25"), laneWith("bias-balanced:rate=0.01")});
    const auto shown = comparison->snapshot();
    const ComparedLane& lane = shown->lanes[0];
    const std::int32_t first = lane.free.turns.back().first_generated_position;
    for (const std::int32_t position : {first, first + 2}) {
        const std::size_t rows_before = sink.rows.size();
        Attribution attribution(comparison->generation(), *loaded, lane.origin.lane, position, lane.free.history);
        int batches = 1;
        while (attribution.step()) ++batches;
        const AttributionSnapshot& result = attribution.result();
        EXPECT_TRUE(result.complete());
        EXPECT_EQ(result.total, 3 * 2);
        EXPECT_EQ(result.done, result.total);
        EXPECT_LE(batches, 2);
        EXPECT_EQ(sink.rows.size(), rows_before) << "such lanes are not traced";

        const std::vector<TokenId> sequence = comparison->generation().tokens(lane.origin.lane);
        /// Log-probability of the token when the row before it is computed under `policy` and all others under `model`.
        const auto independent = [&](const std::string& policy) {
            KvCache cache(loaded->model.config, 8);
            KvSequence kv(cache);
            Activations activations(loaded->model.config, {.rows = 64, .logit_rows = 1, .slots = 2});
            EXPECT_TRUE(kv.extend(position));
            std::vector<float> last;
            LaneRouting plain(parsePolicy("model", loaded->model), loaded->model.config, 64);
            LaneRouting changed(parsePolicy(policy, loaded->model), loaded->model.config, 64);
            for (std::int32_t row = 0; row < position; ++row) {
                const bool is_last = row + 1 == position;
                const ForwardRow fed{.token = sequence[static_cast<std::size_t>(row)],
                                     .sequence = {.pages = kv.pages(), .position = row},
                                     .routing = is_last ? &changed : &plain,
                                     .wants_logits = is_last};
                const auto logits =
                    forward(loaded->model, *loaded->backend, cache, std::span(&fed, 1), activations, nullptr);
                if (is_last) last.assign(logits.row(0), logits.row(0) + logits.columns);
            }
            return logProbability(last, sequence[static_cast<std::size_t>(position)]);
        };
        EXPECT_EQ(result.logprob, independent("model"));
        for (std::int32_t layer = 0; layer < 3; ++layer) {
            for (std::int32_t slot = 0; slot < result.slots; ++slot) {
                const auto cell = static_cast<std::size_t>(layer * result.slots + slot);
                EXPECT_EQ(result.experts[cell],
                          lane.free.history.experts(position - 1, layer)[static_cast<std::size_t>(slot)]);
                if (result.experts[cell] < 0) continue;
                const std::string ban =
                    "model+ban:experts=" + std::to_string(result.experts[cell]) + ",layers=" + std::to_string(layer);
                EXPECT_EQ(result.changes[cell], independent(ban) - result.logprob) << ban;
            }
        }
    }
    const auto refused = [&](std::size_t index, std::int32_t position, const std::string& mentions) {
        const ComparedLane& other = shown->lanes[index];
        try {
            Attribution(comparison->generation(), *loaded, other.origin.lane, position, other.free.history);
            ADD_FAILURE() << "not refused";
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(mentions), std::string::npos) << error.what();
        }
    };
    refused(0, 2, "generated");
    refused(0, 5000, "generated");
    refused(0, first + 8, "injected");
    refused(1, first, "row alone");
    refused(2, first + 3, "past");
    EXPECT_EQ(comparison->generation().lanes().size(), 3U) << "nothing is left behind";
}

std::string textOf(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

TEST_F(ComparisonTest, TheSessionReadsBackAsWhatWasShown) {
    file = directory / "lanes.mixo";
    {
        std::vector<LaneSettings> lanes = fourLanes();
        lanes.push_back(laneWith("model", 77));  // shares the baseline's prompt
        const auto comparison = run(lanes);
        comparison->startForced();
        finish(*comparison);
        const ComparedLane base = comparison->snapshot()->lanes[0];
        LaneSettings changed = base.settings;
        changed.policy = "top-k:k=4";
        comparison->startFork({.lane = base.origin.lane,
                               .position = base.free.turns.back().first_generated_position + 5,
                               .settings = changed,
                               .token = {}});
        finish(*comparison);
        comparison->startAlone();
        finish(*comparison);
        Attribution attribution(comparison->generation(), *loaded, base.origin.lane,
                                base.free.turns.back().first_generated_position + 1, base.free.history);
        while (attribution.step()) {
        }
        comparison->recorder()->addAttribution(std::make_shared<const AttributionSnapshot>(attribution.result()));
        ASSERT_TRUE(comparison->recorder()->flush());
        exportComparison(
            *comparison->snapshot(), [&](TokenId id) { return loaded->tokenBytes(id); }, directory / "live");
        const SessionReader reader(file);
        ASSERT_EQ(reader.lostCount(), 0);
        const auto attributions = reader.attributions();
        ASSERT_EQ(attributions.size(), 1U);
        EXPECT_EQ(attributions[0].experts, attribution.result().experts);
        EXPECT_EQ(attributions[0].logprob, attribution.result().logprob);
        EXPECT_EQ(std::memcmp(attributions[0].changes.data(), attribution.result().changes.data(),
                              attributions[0].changes.size() * sizeof(double)),
                  0);
    }
    const SessionReader reader(file);
    exportComparison(
        comparisonOf(reader), [&](TokenId id) { return reader.tokenBytes(id); }, directory / "read");
    const std::string live = textOf(directory / "live" / "comparison.csv");
    EXPECT_EQ(live, textOf(directory / "read" / "comparison.csv"));
    EXPECT_EQ(textOf(directory / "live" / "forced.csv"), textOf(directory / "read" / "forced.csv"));
    EXPECT_EQ(std::count(live.begin(), live.end(), '\n'), 1 + 6);
    const std::vector<LaneOrigin> origins = reader.lanes();
    int forks = 0;
    for (const LaneOrigin& origin : origins) {
        if (origin.role != LaneRole::kFork) continue;
        ++forks;
        EXPECT_EQ(origin.change, "policy model → top-k:k=4");
        EXPECT_EQ(origin.settings.policy, "top-k:k=4");
    }
    EXPECT_EQ(forks, 1);
}

}  // namespace
}  // namespace mixoscope
