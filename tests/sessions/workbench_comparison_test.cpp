// The workbench's comparison, forks and attributions, as a window drives them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

#include "sessions/comparison_export.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/fork_change.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "sessions/workbench.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

class WorkbenchComparison : public testing::Test {
protected:
    WorkbenchComparison() {
        std::filesystem::create_directory(model_directory);
        test::writeTinyModel(model_directory, {.seed = 9});
        options.session_directory = directory / "sessions";
        options.backend = "reference";
        workbench = std::make_unique<Workbench>(options);
        workbench->openModel(model_directory.string());
        workbench->waitIdle();
        LaneSettings settings = lane("model");
        workbench->setSettings(settings);
    }
    static LaneSettings lane(const std::string& policy) {
        LaneSettings settings;
        settings.policy = policy;
        settings.sampling.temperature = 1.0F;
        settings.max_tokens = 16;
        settings.ignore_eos = true;
        return settings;
    }
    std::shared_ptr<const WorkbenchSnapshot> idle() {
        EXPECT_TRUE(workbench->waitIdle());
        return workbench->snapshot();
    }

    test::TemporaryDirectory directory;
    std::filesystem::path model_directory = directory / "tiny";
    WorkbenchOptions options;
    std::unique_ptr<Workbench> workbench;
};

TEST_F(WorkbenchComparison, LanesAreSetRunForcedAndRecordedBesideTheConversation) {
    workbench->send("hello");
    const std::string said = idle()->conversation.back().text;
    workbench->setComparisonLanes({lane("model"), lane("top-k:k=1"), lane("nonsense")});
    auto comparison = idle()->comparison;
    ASSERT_TRUE(comparison);
    ASSERT_EQ(comparison->lanes.size(), 3U);
    EXPECT_TRUE(comparison->lanes[2].error);
    workbench->setComparisonLane(2, lane("random:k=2"));
    EXPECT_FALSE(idle()->comparison->lanes[2].error);
    workbench->addComparisonLane(lane("hash:k=2"));
    workbench->removeComparisonLane(1);
    comparison = idle()->comparison;
    ASSERT_EQ(comparison->lanes.size(), 3U);
    EXPECT_EQ(comparison->lanes[1].origin.tag, 2) << "a lane keeps its number";
    EXPECT_EQ(comparison->lanes[2].origin.tag, 3);

    workbench->runComparison({{Role::kUser, "hello"}}, true);
    const auto snapshot = idle();
    EXPECT_EQ(snapshot->state, WorkbenchState::kReady);
    comparison = snapshot->comparison;
    ASSERT_FALSE(comparison->error) << comparison->error->what;
    EXPECT_EQ(comparison->lanes[1].origin.tag, 2);
    EXPECT_TRUE(comparison->forced_complete);
    for (const ComparedLane& compared : comparison->lanes) {
        EXPECT_EQ(compared.free.turns.back().stop_reason, StopReason::kMaxTokens);
        EXPECT_EQ(compared.quality.tokens, 16);
    }
    EXPECT_EQ(comparison->lanes[0].quality.divergence, 0.0);
    EXPECT_GT(comparison->lanes[1].quality.divergence, 0.0);
    EXPECT_EQ(snapshot->conversation.back().text, said) << "the conversation is left alone";
    ASSERT_TRUE(workbench->flush());
    const auto file = workbench->snapshot()->comparison_recorder.file;
    ASSERT_NE(file, workbench->snapshot()->recorder.file);
    exportComparison(
        *comparison, [](TokenId) { return std::string(); }, directory / "live");
    const SessionReader reader(file);
    exportComparison(
        comparisonOf(reader), [](TokenId) { return std::string(); }, directory / "read");
    std::ifstream live(directory / "live" / "comparison.csv");
    std::ifstream read(directory / "read" / "comparison.csv");
    const std::string shown{std::istreambuf_iterator<char>(live), {}};
    EXPECT_EQ(shown, (std::string{std::istreambuf_iterator<char>(read), {}}));
    EXPECT_GT(shown.size(), 500U);

    workbench->measureAlone();
    EXPECT_GT(idle()->comparison->lanes[1].alone_tpot_ms, 0.0);
    workbench->runComparison({{Role::kUser, "again"}}, false);
    comparison = idle()->comparison;
    EXPECT_EQ(comparison->lanes.size(), 3U);
    EXPECT_FALSE(comparison->lanes[0].forced_tokens) << "a new run has not been measured";
}

TEST_F(WorkbenchComparison, WhatCannotBeDoneIsSaidAndChangesNothing) {
    workbench->measureForced();
    EXPECT_TRUE(idle()->comparison->error);
    workbench->setComparisonLanes({lane("model")});
    workbench->runComparison({{Role::kUser, "hello"}}, false);
    ASSERT_TRUE(idle()->comparison->error);
    workbench->forkChat({.lane = 0, .position = 3, .settings = lane("model"), .token = {}});
    EXPECT_TRUE(idle()->fork_error);
    workbench->attributeChat(0, 3);
    const auto snapshot = idle();
    ASSERT_TRUE(snapshot->attribution);
    EXPECT_TRUE(snapshot->attribution->error);
    EXPECT_EQ(snapshot->state, WorkbenchState::kReady);
    workbench->send("still there");
    EXPECT_FALSE(idle()->turn_error);
}

TEST_F(WorkbenchComparison, StoppingARunLeavesWhatItHas) {
    LaneSettings longer = lane("model");
    longer.max_tokens = 400;
    workbench->setComparisonLanes({longer, longer});
    workbench->setDecodePace(50.0);
    workbench->runComparison({{Role::kUser, "hello"}}, true);
    while (true) {
        const auto comparison = workbench->snapshot()->comparison;
        if (!comparison->lanes[0].free.turns.empty() && comparison->lanes[0].free.turns.back().first_token_us >= 0)
            break;
        std::this_thread::yield();
    }
    workbench->stop();
    const auto comparison = idle()->comparison;
    EXPECT_EQ(comparison->lanes[0].free.turns.back().stop_reason, StopReason::kStopped);
    EXPECT_EQ(comparison->state, ComparisonState::kReady);
    EXPECT_FALSE(comparison->forced_complete);
}

TEST_F(WorkbenchComparison, AForkOfTheConversationIsALaneOfItsOwnInTheTree) {
    workbench->send("hello");
    const auto before = idle();
    const LaneSnapshot& chat = before->lanes.front();
    const std::int32_t at = chat.turns.back().first_generated_position + 4;
    workbench->forkChat({.lane = chat.lane, .position = at, .settings = lane("model"), .token = {}});
    const auto same = idle();
    ASSERT_FALSE(same->fork_error) << same->fork_error->what;
    ASSERT_EQ(same->lanes.size(), 2U);
    EXPECT_EQ(same->lanes[1].turns.back().answer_text, chat.turns.back().answer_text);
    LaneSettings changed = lane("model+ban:experts=1-3");
    workbench->forkChat({.lane = same->lanes[1].lane, .position = at + 2, .settings = changed, .token = 'q'});
    const auto snapshot = idle();
    ASSERT_FALSE(snapshot->fork_error) << snapshot->fork_error->what;
    ASSERT_EQ(snapshot->origins.size(), 3U);
    EXPECT_EQ(snapshot->origins[0].role, LaneRole::kChat);
    EXPECT_EQ(snapshot->origins[1].parent, chat.lane);
    EXPECT_EQ(snapshot->origins[1].change, "");
    EXPECT_EQ(snapshot->origins[2].parent, snapshot->origins[1].lane);
    EXPECT_EQ(snapshot->origins[2].position, at + 2);
    EXPECT_EQ(snapshot->origins[2].change, "policy model → model+ban:experts=1-3, token \"q\"");
    EXPECT_EQ(snapshot->lanes[2].history.token(at + 2).trace.id, 'q');
    EXPECT_EQ(snapshot->lanes[2].turns.back().settings.policy, "model+ban:experts=1-3");
    EXPECT_EQ(snapshot->conversation.back().text, chat.turns.back().answer_text);

    workbench->attributeChat(chat.lane, at);
    const auto measured = idle()->attribution;
    ASSERT_TRUE(measured->complete());
    EXPECT_EQ(measured->total, 6);
    int known = 0;
    for (const double change : measured->changes) known += std::isnan(change) ? 0 : 1;
    EXPECT_EQ(known, 6);

    ASSERT_TRUE(workbench->flush());
    const SessionReader reader(snapshot->recorder.file);
    const std::vector<LaneOrigin> origins = reader.lanes();
    ASSERT_EQ(origins.size(), 3U);
    EXPECT_EQ(origins[2].change, snapshot->origins[2].change);
    EXPECT_EQ(origins[2].parent, snapshot->origins[2].parent);
    ASSERT_EQ(reader.attributions().size(), 1U);
    EXPECT_EQ(reader.attributions()[0].experts, measured->experts);
    const auto read = snapshotOfSession(snapshot->recorder.file);
    ASSERT_TRUE(read->attribution);
    EXPECT_EQ(read->attribution->position, at);
    EXPECT_EQ(read->attribution->changes, measured->changes);

    workbench->send("and now?");  // forks of a turn that is gone cannot be forked
    workbench->forkChat({.lane = origins[2].lane, .position = at + 3, .settings = changed, .token = {}});
    EXPECT_TRUE(idle()->fork_error);
}

TEST_F(WorkbenchComparison, TheForksOfEachTurnStandBesideItLiveAndInTheSession) {
    workbench->send("hello");
    const auto first = idle();
    EXPECT_TRUE(first->forks.empty());
    const std::int32_t at = first->lanes[0].turns.back().first_generated_position + 4;
    workbench->forkChat({.lane = first->lanes[0].lane, .position = at, .settings = lane("model"), .token = {}});
    workbench->forkChat({.lane = first->lanes[0].lane, .position = at, .settings = lane("top-k:k=1"), .token = 'q'});
    const auto forked = idle();
    EXPECT_EQ(forked->forks_asked, 2);
    ASSERT_EQ(forked->forks.size(), 1U);
    const auto& lanes = forked->forks[0].lanes->lanes;
    ASSERT_EQ(lanes.size(), 3U);
    EXPECT_EQ(forked->forks[0].lanes->messages.back().content, "hello");
    EXPECT_EQ(forked->forks[0].lanes->prompt_copies, 1);
    EXPECT_EQ(lanes[0].origin.role, LaneRole::kChat);
    EXPECT_EQ(lanes[0].origin.lane, first->lanes[0].lane);
    for (std::int32_t tag = 0; tag < 3; ++tag) EXPECT_EQ(lanes[static_cast<std::size_t>(tag)].origin.tag, tag);
    EXPECT_EQ(lanes[1].first_divergence, -1);
    EXPECT_EQ(lanes[1].free_generated, lanes[0].free_generated);
    EXPECT_EQ(lanes[1].free_load_moved, 0.0);
    EXPECT_EQ(lanes[2].origin.position, at);
    const bool had_it = lanes[0].free.history.token(at).trace.id == 'q';
    EXPECT_EQ(lanes[2].first_divergence == 4, !had_it);
    EXPECT_LT(lanes[2].free_generated.ran, lanes[0].free_generated.ran);

    workbench->send("and now?");
    const auto second = idle();
    ASSERT_EQ(second->forks.size(), 1U) << "the earlier turn's forks stay";
    EXPECT_EQ(second->forks[0].lanes->lanes[0].free_generated, lanes[0].free_generated);
    EXPECT_EQ(second->forks[0].lanes->lanes[0].free_balance.rows, lanes[0].free_balance.rows);
    const std::int32_t later = second->lanes[0].turns.back().first_generated_position + 1;
    workbench->forkChat({.lane = second->lanes[0].lane, .position = later, .settings = lane("hash:k=2"), .token = {}});
    workbench->forkChat({.lane = second->lanes[0].lane, .position = 1, .settings = lane("model"), .token = {}});
    const auto all = idle();
    EXPECT_EQ(all->forks_asked, 4);
    EXPECT_TRUE(all->fork_error) << "position 1 is the prompt's";
    ASSERT_EQ(all->forks.size(), 2U);
    EXPECT_EQ(all->forks[1].turn, 1);
    EXPECT_EQ(all->forks[1].lanes->messages.back().content, "and now?");
    ASSERT_EQ(all->forks[1].lanes->lanes.size(), 2U);

    ASSERT_TRUE(workbench->flush());
    const auto read = snapshotOfSession(all->recorder.file);
    EXPECT_EQ(read->origins.size(), 4U);
    ASSERT_EQ(read->forks.size(), 2U);
    for (std::size_t turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(read->forks[turn].turn, all->forks[turn].turn);
        const ComparisonSnapshot& shown = *all->forks[turn].lanes;
        const ComparisonSnapshot& kept = *read->forks[turn].lanes;
        EXPECT_EQ(kept.messages.back().content, shown.messages.back().content);
        ASSERT_EQ(kept.lanes.size(), shown.lanes.size());
        for (std::size_t index = 0; index < shown.lanes.size(); ++index) {
            EXPECT_EQ(kept.lanes[index].origin.change, shown.lanes[index].origin.change);
            EXPECT_EQ(kept.lanes[index].origin.parent, shown.lanes[index].origin.parent);
            EXPECT_EQ(kept.lanes[index].origin.position, shown.lanes[index].origin.position);
            EXPECT_EQ(kept.lanes[index].first_divergence, shown.lanes[index].first_divergence);
            EXPECT_EQ(kept.lanes[index].free_generated, shown.lanes[index].free_generated);
            EXPECT_EQ(kept.lanes[index].free.turns.back().answer_text,
                      shown.lanes[index].free.turns.back().answer_text);
        }
    }
    workbench->newConversation();
    EXPECT_TRUE(idle()->forks.empty());
}

TEST_F(WorkbenchComparison, AForkTakesTheSettingsThatWereInForceAtItsPlace) {
    LaneSettings settings = lane("model");
    settings.max_tokens = 40;
    settings.budget = 30;
    workbench->setSettings(settings);
    workbench->setDecodePace(100.0);
    workbench->send("hello");
    const auto generated = [&] {
        const auto shown = workbench->snapshot();
        if (shown->lanes.empty() || shown->lanes[0].turns.empty()) return 0;
        const std::int32_t first = shown->lanes[0].turns.back().first_generated_position;
        return first < 0 ? 0 : shown->lanes[0].history.tokenCount() - first;
    };
    while (generated() < 6) std::this_thread::yield();
    settings.policy = "top-k:k=1";
    settings.budget = 20;
    workbench->setSettings(settings);
    workbench->setDecodePace(0.0);
    const auto shown = idle();
    const LaneSnapshot& chat = shown->lanes[0];
    const std::int32_t first = chat.turns.back().first_generated_position;
    ASSERT_TRUE(std::ranges::any_of(chat.events, [](const LaneEvent& e) {
        return e.kind == LaneEventKind::kPolicyChanged;
    })) << "the turn ended too early";
    const LaneSettings early = settingsAt(chat, shown->origins[0].settings, first + 2);
    EXPECT_EQ(early.policy, "model");
    EXPECT_EQ(early.budget, 30);
    const LaneSettings late = settingsAt(chat, shown->origins[0].settings, chat.history.tokenCount() - 1);
    EXPECT_EQ(late.policy, "top-k:k=1");
    EXPECT_EQ(late.budget, 20);
    // Such a fork says that nothing was changed, and is the turn until the turn was changed.
    workbench->forkChat({.lane = chat.lane, .position = first + 2, .settings = early, .token = {}});
    const auto forked = idle();
    ASSERT_FALSE(forked->fork_error) << forked->fork_error->what;
    EXPECT_EQ(forked->origins[1].change, "");
    for (std::int32_t position = first; position < first + 5; ++position)
        EXPECT_EQ(forked->lanes[1].history.token(position).trace.id, chat.history.token(position).trace.id) << position;
}

}  // namespace
}  // namespace mixoscope
