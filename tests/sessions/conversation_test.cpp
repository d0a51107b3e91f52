// The workbench's conversation on a small random model: turns, live settings, errors that leave the chat alive, and a
// session on disk that holds exactly what the snapshot shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "engine/chat_template.h"
#include "engine/settings_json.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "support/recorded_session.h"
#include "workbench_fixture_test.h"

namespace mixoscope {
namespace {

using namespace test;

using ConversationTest = WorkbenchTest;

/// The lane's tokens, routing and texts in the file equal those of the snapshot, bit for bit.
void expectOnDisk(const std::filesystem::path& file, const LaneSnapshot& shown) {
    const SessionReader reader(file);
    const SessionModel model = reader.model();
    const auto recorded = snapshotOfSession(file);
    ASSERT_EQ(recorded->lanes.size(), 1U);
    const LaneSnapshot& disk = recorded->lanes[0];
    EXPECT_EQ(disk.settings, shown.settings);
    ASSERT_EQ(disk.turns.size(), shown.turns.size());
    ASSERT_EQ(disk.events.size(), shown.events.size());
    for (std::size_t i = 0; i < shown.events.size(); ++i) EXPECT_TRUE(test::sameEvent(disk.events[i], shown.events[i]));
    for (std::size_t turn = 0; turn < shown.turns.size(); ++turn) {
        EXPECT_EQ(disk.turns[turn].answer_text, shown.turns[turn].answer_text);
        EXPECT_EQ(disk.turns[turn].thinking_text, shown.turns[turn].thinking_text);
        EXPECT_EQ(disk.turns[turn].thinking_tokens, shown.turns[turn].thinking_tokens);
        EXPECT_EQ(disk.turns[turn].prompt_tokens, shown.turns[turn].prompt_tokens);
        EXPECT_EQ(disk.turns[turn].stop_reason, shown.turns[turn].stop_reason);
        EXPECT_EQ(disk.turns[turn].settings, shown.turns[turn].settings);
        const History& a = disk.historyOfTurn(turn);
        const History& b = shown.historyOfTurn(turn);
        ASSERT_EQ(a.tokenCount(), b.tokenCount());
        ASSERT_EQ(a.rowCount(), b.rowCount());
        for (std::int32_t position = 0; position < b.tokenCount(); ++position) {
            EXPECT_TRUE(test::sameToken(a.token(position).trace, b.token(position).trace)) << position;
            EXPECT_EQ(a.token(position).bytes, b.token(position).bytes);
            EXPECT_EQ(a.token(position).step, b.token(position).step);
            if (position >= b.rowCount()) continue;
            for (std::int32_t layer = 0; layer < model.shape.moe_layers; ++layer) {
                EXPECT_TRUE(std::ranges::equal(a.experts(position, layer), b.experts(position, layer)));
                EXPECT_TRUE(std::ranges::equal(a.weights(position, layer), b.weights(position, layer)));
                EXPECT_EQ(a.router(position, layer).entropy, b.router(position, layer).entropy);
            }
        }
    }
    for (std::int32_t layer = 0; layer < model.shape.moe_layers; ++layer)
        EXPECT_EQ(disk.load->allPhases(layer).selections, shown.load->allPhases(layer).selections);
    EXPECT_EQ(reader.lostCount(), 0);
}

TEST_F(ConversationTest, aTurnIsShownAndOnDiskAlike) {
    open();
    const auto snapshot = turn("What is 2 + 3? /think");
    ASSERT_FALSE(snapshot->turn_error) << snapshot->turn_error->what;
    ASSERT_EQ(snapshot->conversation.size(), 2U);
    ASSERT_EQ(snapshot->lanes.size(), 1U);
    const LaneSnapshot& lane = snapshot->lanes[0];
    ASSERT_EQ(lane.turns.size(), 1U);
    EXPECT_EQ(generatedTokens(lane, 0), 12U);
    EXPECT_EQ(lane.turns[0].stop_reason, StopReason::kMaxTokens);
    EXPECT_EQ(snapshot->conversation[0].text, "What is 2 + 3? /think");
    EXPECT_EQ(snapshot->conversation[1].text, lane.turns[0].answer_text);
    EXPECT_EQ(snapshot->conversation[1].thinking, lane.turns[0].thinking_text);
    EXPECT_EQ(snapshot->context_used, lane.history.tokenCount());
    for (const CheckResult& check : lane.checks) {
        EXPECT_TRUE(check.ran) << check.name;
        EXPECT_TRUE(check.holds) << check.name << ": " << check.violation;
    }
    EXPECT_GE(snapshot->probes_cost, 0.0);
    ASSERT_TRUE(workbench->flush());
    const auto file = workbench->snapshot()->recorder.file;
    EXPECT_EQ(file.parent_path(), options.session_directory);
    EXPECT_NE(file.filename().string().find("-what-is-2-3-think.mixo"), std::string::npos) << file;
    expectOnDisk(file, lane);
}

TEST_F(ConversationTest, furtherTurnsDropThinkingAndKeepPastTurns) {
    open();
    const auto first = turn("one");
    const std::string first_answer = first->lanes[0].turns[0].answer_text;
    change([](LaneSettings& s) { s.mode = ThinkingMode::kNoThink; });
    turn("two");
    const auto snapshot = turn("three");
    ASSERT_EQ(snapshot->conversation.size(), 6U);
    ASSERT_EQ(snapshot->lanes[0].turns.size(), 3U);
    EXPECT_EQ(snapshot->conversation[1].text, first_answer);
    EXPECT_EQ(snapshot->conversation[3].mode, ThinkingMode::kNoThink);
    EXPECT_EQ(snapshot->lanes[0].turns[1].thinking_tokens, 0);
    EXPECT_TRUE(snapshot->lanes[0].turns[1].thinking_text.empty());
    ASSERT_TRUE(workbench->flush());
    expectOnDisk(snapshot->recorder.file, snapshot->lanes[0]);
    std::vector<std::string> messages;
    int answers = 0;
    const SessionReader reader(snapshot->recorder.file);
    reader.messages([&](int turn_index, int role, const std::string& text, int) {
        if (role == static_cast<int>(Role::kUser)) messages.push_back(std::to_string(turn_index) + text);
        if (role != static_cast<int>(Role::kAssistant)) return;
        EXPECT_EQ(turn_index, answers++);
    });
    EXPECT_EQ(messages, (std::vector<std::string>{"0one", "1two", "2three"}));
    EXPECT_EQ(answers, 3);
    std::vector<ThinkingMode> modes;
    reader.turnSettings([&](int turn_index, LaneId, const std::string& json) {
        EXPECT_EQ(turn_index, static_cast<int>(modes.size()));
        modes.push_back(settingsFromJson(json, "here").mode);
    });
    EXPECT_EQ(modes, (std::vector{ThinkingMode::kThink, ThinkingMode::kNoThink, ThinkingMode::kNoThink}));
}

TEST_F(ConversationTest, aBudgetOfZeroIsNotThinkingTokenForToken) {
    open();
    change([](LaneSettings& s) { s.budget = 0; });
    const auto zero = turn("compare");
    workbench->newConversation();
    change([](LaneSettings& s) {
        s.budget = kUnlimitedBudget;
        s.sampling.greedy = true;
        s.mode = ThinkingMode::kNoThink;
    });
    const auto none = turn("compare");
    const History& a = zero->lanes[0].history;
    const History& b = none->lanes[0].history;
    ASSERT_EQ(a.tokenCount(), b.tokenCount());
    for (std::int32_t position = 0; position < a.tokenCount(); ++position)
        EXPECT_EQ(a.token(position).trace.id, b.token(position).trace.id) << position;
}

TEST_F(ConversationTest, draggingTheBudgetWhileItRunsActsAndIsRecorded) {
    open();
    change([](LaneSettings& s) { s.max_tokens = 0; });
    workbench->setDecodePace(200.0);
    workbench->send("think long");
    waitFor([](const WorkbenchSnapshot& s) {
        return !s.lanes.empty() && !s.lanes[0].turns.empty() && s.lanes[0].turns[0].first_generated_position >= 0;
    });
    change([](LaneSettings& s) { s.budget = 7; });
    const auto snapshot = waitFor([](const WorkbenchSnapshot& s) { return s.lanes[0].settings.budget == 7; });
    EXPECT_EQ(snapshot->lanes[0].events.back().kind, LaneEventKind::kBudgetChanged);
    workbench->setDecodePace(0.0);
    workbench->stop();
    ASSERT_TRUE(workbench->waitIdle());
    const auto after = workbench->snapshot();
    EXPECT_EQ(after->state, WorkbenchState::kReady);
    ASSERT_TRUE(workbench->flush());
    expectOnDisk(after->recorder.file, after->lanes[0]);
}

TEST_F(ConversationTest, stopEndsATurnAndTheChatGoesOn) {
    open();
    change([](LaneSettings& s) { s.max_tokens = 0; });
    workbench->setDecodePace(1e-4);  // hours a token: nothing but the stop ends the wait
    workbench->send("endless");
    waitFor([](const WorkbenchSnapshot& s) {
        return !s.lanes.empty() && !s.lanes[0].turns.empty() && s.lanes[0].turns[0].first_generated_position >= 0;
    });
    workbench->stop();
    ASSERT_TRUE(workbench->waitIdle());
    EXPECT_EQ(workbench->snapshot()->lanes[0].turns[0].stop_reason, StopReason::kStopped);
    workbench->setDecodePace(0.0);
    change([](LaneSettings& s) { s.max_tokens = 3; });
    const auto snapshot = turn("again");
    EXPECT_EQ(generatedTokens(snapshot->lanes[0], 1), 3U);
}

TEST_F(ConversationTest, aPromptThatIsTooLongIsAnErrorAndTheChatGoesOn) {
    open();
    const auto failed = turn(std::string(5000, 'x'));
    ASSERT_TRUE(failed->turn_error);
    EXPECT_EQ(failed->turn_error->what, "The prompt is too long for the context");
    EXPECT_TRUE(failed->conversation.empty());
    EXPECT_EQ(failed->state, WorkbenchState::kReady);
    const auto snapshot = turn("short");
    EXPECT_FALSE(snapshot->turn_error);
    EXPECT_EQ(snapshot->conversation.size(), 2U);
    EXPECT_EQ(generatedTokens(snapshot->lanes[0], 0), 12U);
}

TEST_F(ConversationTest, aSessionDirectoryThatCannotBeWrittenStopsTheRecordingOnly) {
    std::ofstream(directory / "file") << "x";
    options.session_directory = directory / "file" / "sessions";
    open();
    turn("hello");
    EXPECT_FALSE(workbench->flush());
    const auto snapshot = workbench->snapshot();
    EXPECT_EQ(snapshot->recorder.state, RecorderStatus::State::kFailed);
    ASSERT_TRUE(snapshot->recorder.error);
    EXPECT_FALSE(snapshot->turn_error);
    EXPECT_EQ(generatedTokens(turn("more")->lanes[0], 1), 12U);
}

TEST_F(ConversationTest, aNewConversationBeginsANewFile) {
    open();
    turn("first");
    const auto first_file = workbench->snapshot()->recorder.file;
    workbench->newConversation();
    ASSERT_TRUE(workbench->waitIdle());
    const auto empty = workbench->snapshot();
    EXPECT_TRUE(empty->conversation.empty());
    EXPECT_TRUE(empty->lanes.empty());
    EXPECT_FALSE(std::filesystem::exists(first_file.string() + "-wal")) << "the file is complete";
    const auto snapshot = turn("second");
    EXPECT_NE(snapshot->recorder.file, first_file);
    EXPECT_EQ(snapshot->lanes[0].turns.size(), 1U);
    ASSERT_TRUE(workbench->flush());
    expectOnDisk(snapshot->recorder.file, snapshot->lanes[0]);
    const auto sessions = workbench->sessions();
    ASSERT_EQ(sessions.size(), 2U);
    for (const SessionInfo& session : sessions) {
        EXPECT_FALSE(session.error);
        EXPECT_EQ(session.model, "tiny");
        EXPECT_GT(session.tokens, 0);
    }
}

TEST_F(ConversationTest, aFileThatIsNamedHoldsTheFirstConversationOnly) {
    options.session_file = directory / "named.mixo";
    open();
    EXPECT_EQ(turn("first")->recorder.file, options.session_file);
    workbench->newConversation();
    const auto second = turn("second");
    EXPECT_EQ(second->recorder.file.parent_path(), options.session_directory);
    EXPECT_FALSE(second->turn_error);
    ASSERT_TRUE(workbench->flush());
}

TEST_F(ConversationTest, aSystemPromptStandsOnceAndAnUnclosedBlockLeavesNothingInTheHistory) {
    // A model that always thinks: nothing that it says without closing its block is an answer.
    test::writeFile(model_directory / "tokenizer_config.json", R"({"chat_template": "add_generation_prompt <think>"})");
    open();
    workbench->setSystemPrompt("Be brief.");
    turn("one");
    const auto snapshot = turn("two");
    const std::vector<Message> expected = {
        {Role::kSystem, "Be brief."}, {Role::kUser, "one"}, {Role::kAssistant, ""}, {Role::kUser, "two"}};
    const Model model = openModelDirectory(model_directory);
    const std::string text = renderChat(expected, true, ThinkingSupport::kAlways);
    EXPECT_EQ(snapshot->lanes[0].turns[1].prompt_tokens, std::ssize(model.tokenizer->encode(text)));
}

TEST_F(ConversationTest, inAutoModeSamplingIsThatOfTheModeWhichTheMessageAsksFor) {
    start();
    workbench->openModel(model_directory.string());
    ASSERT_TRUE(workbench->waitIdle());
    change([](LaneSettings& s) { s.mode = ThinkingMode::kAuto; });
    change([](LaneSettings& s) { s.max_tokens = 2; });
    turn("one /no_think");
    turn("two /think");
    ASSERT_TRUE(workbench->flush());
    std::vector<SamplingSettings> sampling;
    SessionReader(workbench->snapshot()->recorder.file).turnSettings([&](int, LaneId, const std::string& json) {
        sampling.push_back(settingsFromJson(json, "here").sampling);
    });
    EXPECT_EQ(sampling, (std::vector{defaultSampling(false), defaultSampling(true)}));
}

TEST_F(ConversationTest, recordingCanBeSwitchedOffAndOn) {
    open();
    workbench->setRecording(false);
    turn("unseen");
    EXPECT_EQ(workbench->snapshot()->recorder.state, RecorderStatus::State::kOff);
    EXPECT_TRUE(workbench->sessions().empty());
    workbench->setRecording(true);
    turn("seen");
    ASSERT_TRUE(workbench->flush());
    EXPECT_EQ(workbench->sessions().size(), 1U);
    std::vector<std::string> users;
    SessionReader(workbench->snapshot()->recorder.file).messages([&](int at, int role, const std::string& text, int) {
        if (role == static_cast<int>(Role::kUser)) users.push_back(std::to_string(at) + text);
    });
    EXPECT_EQ(users, (std::vector<std::string>{"0unseen", "1seen"}));
    workbench->setRecording(false);
    ASSERT_TRUE(workbench->waitIdle());
    EXPECT_EQ(workbench->snapshot()->recorder.state, RecorderStatus::State::kOff);
}

TEST_F(ConversationTest, withoutProbesTheChatHasTokensButNoRoutingAndNoFile) {
    options.probes = false;
    open();
    const auto snapshot = turn("hello");
    EXPECT_EQ(generatedTokens(snapshot->lanes[0], 0), 12U);
    EXPECT_EQ(snapshot->lanes[0].history.shape().moe_layers, 0);
    EXPECT_EQ(snapshot->recorder.state, RecorderStatus::State::kOff);
    EXPECT_TRUE(workbench->sessions().empty());
}

TEST_F(ConversationTest, samplingFollowsTheModeUntilItIsChosen) {
    start();
    workbench->openModel(model_directory.string());
    ASSERT_TRUE(workbench->waitIdle());
    EXPECT_EQ(workbench->settings().sampling, defaultSampling(true));
    change([](LaneSettings& s) { s.mode = ThinkingMode::kNoThink; });
    EXPECT_EQ(workbench->settings().sampling, defaultSampling(false));
    change([](LaneSettings& s) { s.sampling.temperature = 0.25F; });
    change([](LaneSettings& s) { s.mode = ThinkingMode::kThink; });
    EXPECT_EQ(workbench->settings().sampling.temperature, 0.25F);
}

TEST_F(ConversationTest, aPolicyThatDoesNotExistIsAnErrorAndTheOldOneStays) {
    open();
    change([](LaneSettings& s) { s.policy = "top-k:k=4"; });
    const auto wide = turn("wide");
    ASSERT_FALSE(wide->turn_error) << wide->turn_error->what;
    EXPECT_EQ(wide->lanes[0].history.shape().slots, 4);
    EXPECT_EQ(std::ranges::count_if(wide->lanes[0].history.experts(0, 0), [](auto id) { return id >= 0; }), 4);
    for (const CheckResult& check : wide->lanes[0].checks) EXPECT_TRUE(check.holds) << check.name << check.violation;
    change([](LaneSettings& s) { s.policy = "no-such-policy"; });
    ASSERT_TRUE(workbench->snapshot()->turn_error);
    EXPECT_EQ(workbench->snapshot()->turn_error->found, "\"no-such-policy\"");
    EXPECT_EQ(workbench->settings().policy, "top-k:k=4");
    const auto goes_on = turn("works");
    EXPECT_FALSE(goes_on->turn_error);
    EXPECT_EQ(goes_on->lanes[0].settings.policy, "top-k:k=4");
}

TEST_F(ConversationTest, aPolicyWiderThanTheConversationsRecordsWaitsForTheNextConversation) {
    open();
    turn("narrow");
    change([](LaneSettings& s) { s.policy = "top-k:k=5"; });
    const auto waiting = workbench->snapshot();
    EXPECT_FALSE(waiting->turn_error) << waiting->turn_error->what;
    ASSERT_TRUE(waiting->policy_waits);
    EXPECT_EQ(waiting->policy_waits->found, "up to 5");
    EXPECT_EQ(workbench->settings().policy, "top-k:k=5");
    const auto second = turn("still narrow");
    EXPECT_FALSE(second->turn_error) << second->turn_error->what;
    EXPECT_EQ(second->lanes[0].settings.policy, "model");
    ASSERT_TRUE(second->policy_waits);
    change([](LaneSettings& s) { s.policy = "top-k:k=1"; });
    EXPECT_FALSE(workbench->snapshot()->policy_waits) << "this one fits";
    change([](LaneSettings& s) { s.policy = "top-k:k=5"; });
    workbench->newConversation();
    ASSERT_TRUE(workbench->waitIdle());
    EXPECT_FALSE(workbench->snapshot()->policy_waits);
    const auto wide = turn("wide");
    EXPECT_EQ(wide->lanes[0].history.shape().slots, 5);
    EXPECT_EQ(wide->lanes[0].settings.policy, "top-k:k=5");
}

TEST_F(ConversationTest, aWidePolicyAskedForInTheMiddleOfATurnLeavesTheTurnAsItIs) {
    open();
    change([](LaneSettings& s) { s.max_tokens = 40; });
    workbench->setDecodePace(50.0);
    workbench->send("slow");
    waitFor([](const WorkbenchSnapshot& s) {
        return !s.lanes.empty() && !s.lanes[0].turns.empty() && s.lanes[0].turns[0].first_generated_position >= 0;
    });
    change([](LaneSettings& s) {
        s.policy = "expert-choice";
        s.max_tokens = 30;
    });
    ASSERT_TRUE(workbench->snapshot()->policy_waits);
    workbench->setDecodePace(0.0);
    ASSERT_TRUE(workbench->waitIdle());
    const auto done = workbench->snapshot();
    EXPECT_FALSE(done->turn_error);
    EXPECT_EQ(generatedTokens(done->lanes[0], 0), 30U) << "what else was set reached the lane";
    EXPECT_EQ(done->lanes[0].settings.policy, "model");
    for (const CheckResult& check : done->lanes[0].checks) EXPECT_TRUE(check.holds) << check.name << check.violation;
}

TEST_F(ConversationTest, closingInTheMiddleOfATurnLeavesACompleteFile) {
    open();
    change([](LaneSettings& s) { s.max_tokens = 0; });
    workbench->setDecodePace(0.5);
    workbench->send("slow");
    const auto shown = waitFor([](const WorkbenchSnapshot& s) {
        return !s.lanes.empty() && !s.lanes[0].turns.empty() && s.lanes[0].turns[0].first_generated_position >= 0;
    });
    const auto file = shown->recorder.file;
    workbench.reset();
    EXPECT_FALSE(std::filesystem::exists(file.string() + "-wal"));
    EXPECT_GE(SessionReader(file).rowCount(), shown->lanes[0].history.rowCount());
}

}  // namespace
}  // namespace mixoscope
