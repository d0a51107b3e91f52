// Comparisons end to end on a small random model: what is shown equals what the raw trace says, by sums made here;
// lanes are what they would be alone; the session reads back.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "comparison_fixture_test.h"
#include "sessions/attribution.h"
#include "sessions/comparison_export.h"
#include "sessions/csv_export.h"
#include "sessions/session_file.h"

namespace mixoscope {
namespace {

using namespace test;

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
    EXPECT_EQ(shown->lanes[1].notes,
              (std::vector<std::string>{"routing depends on prompt pieces of 128 tokens",
                                        "capacity: acts on the prompt and on injected text only"}));
    EXPECT_TRUE(shown->lanes[0].notes.empty());
    EXPECT_GT(shown->lanes[2].free_generated.virtual_selections, 0);
    EXPECT_NE(shown->lanes[3].first_divergence, -1);
    EXPECT_EQ(shown->lanes[3].free_generated.ranPerLayer(), 2.0);
    EXPECT_TRUE(std::isnan(shown->lanes[0].free_load_moved));
    EXPECT_GT(shown->lanes[3].free_load_moved, 0.0);
    EXPECT_EQ(shown->prompt_copies, 4);
    EXPECT_GT(shown->step_ms, 0.0);
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
    // Said of the policies that look at a chunk of the prompt, in a session that is read back as well.
    const ComparisonSnapshot recorded = comparisonOf(reader);
    for (const ComparedLane& lane : recorded.lanes) {
        const bool depends = lane.origin.settings.policy.find("capacity") != std::string::npos;
        EXPECT_EQ(lane.prefill_chunk, depends ? 128 : 0) << lane.origin.settings.policy;
        EXPECT_EQ(lane.notes.size(), depends ? 1U : 0U) << lane.origin.settings.policy;
    }
    exportCsv(file, directory / "all");
    EXPECT_EQ(nlohmann::json::parse(textOf(directory / "all" / "run.json"))["prefill_chunk"], 128);
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
