// The workbench on a small random model: models that open and that do not, sessions that are listed.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "sessions/session_file.h"
#include "sessions/snapshot_publisher.h"
#include "workbench_fixture_test.h"

namespace mixoscope {
namespace {

using namespace test;

TEST_F(WorkbenchTest, opensAModelAndSaysWhatItIs) {
    open();
    const auto snapshot = workbench->snapshot();
    ASSERT_TRUE(snapshot->model);
    EXPECT_EQ(snapshot->model->name, "tiny");
    EXPECT_EQ(snapshot->model->description, "3 layers × 8 experts, top-2, F32");
    EXPECT_EQ(snapshot->model->context_tokens, 512);
    EXPECT_EQ(snapshot->model->moe_layers.size(), 3U);
    EXPECT_GT(snapshot->model->weight_bytes, 0);
    EXPECT_FALSE(snapshot->log.empty());
    EXPECT_FALSE(snapshot->load_error);
    EXPECT_EQ(snapshot->recorder.state, RecorderStatus::State::kWaiting);
    EXPECT_FALSE(std::filesystem::exists(options.session_directory)) << "nothing is written before the first message";
}

TEST_F(WorkbenchTest, aModelThatCannotBeOpenedLeavesTheOneThatIs) {
    open();
    turn("before");
    workbench->openModel((directory / "nowhere").string());
    ASSERT_TRUE(workbench->waitIdle());
    const auto failed = workbench->snapshot();
    ASSERT_TRUE(failed->load_error);
    EXPECT_NE(failed->load_error->where.find("nowhere"), std::string::npos);
    EXPECT_EQ(failed->state, WorkbenchState::kReady);
    EXPECT_EQ(failed->conversation.size(), 2U);
    EXPECT_EQ(turn("after")->lanes[0].turns.size(), 2U);
}

TEST_F(WorkbenchTest, withoutAModelASendIsAnError) {
    start();
    const auto snapshot = turn("hello");
    ASSERT_TRUE(snapshot->turn_error);
    EXPECT_EQ(snapshot->turn_error->what, "No model is open");
    EXPECT_EQ(snapshot->state, WorkbenchState::kNoModel);
}

TEST_F(WorkbenchTest, aModelWithoutATokenizerSaysSo) {
    const auto bare = directory / "bare";
    std::filesystem::create_directory(bare);
    test::writeTinyModel(bare, {.tokenizer = false});
    start();
    workbench->openModel(bare.string());
    const auto snapshot = turn("hello");
    ASSERT_TRUE(snapshot->turn_error);
    EXPECT_EQ(snapshot->turn_error->what, "This model has no tokenizer, so it cannot chat");
}

TEST_F(WorkbenchTest, aModelDirectoryThatDisappearsDoesNotEndTheChat) {
    open();
    turn("before");
    std::filesystem::remove_all(model_directory);
    const auto snapshot = turn("after");
    EXPECT_FALSE(snapshot->turn_error);
    EXPECT_EQ(generatedTokens(snapshot->lanes[0], 1), 12U);
}

TEST_F(WorkbenchTest, aModelFileThatIsCutShortIsAnErrorBeforeAnythingIsRead) {
    open();
    turn("before");
    std::filesystem::resize_file(model_directory / "model.safetensors", 100);
    const auto snapshot = turn("after");
    ASSERT_TRUE(snapshot->turn_error);
    EXPECT_EQ(snapshot->turn_error->what, "This file has been cut short since it was opened");
    EXPECT_EQ(snapshot->turn_error->where, (model_directory / "model.safetensors").string());
    EXPECT_EQ(snapshot->state, WorkbenchState::kReady);
    EXPECT_EQ(snapshot->conversation.size(), 2U) << "what was said before is still there";
    ASSERT_TRUE(workbench->flush()) << "and recorded";
    EXPECT_EQ(SessionReader(snapshot->recorder.file).rowCount(), snapshot->lanes[0].history.rowCount());
}

TEST_F(WorkbenchTest, anUnreadableSessionIsListedWithTheReason) {
    open();
    turn("good");
    ASSERT_TRUE(workbench->flush());
    std::ofstream(options.session_directory / "bad.mixo") << "no database";
    int errors = 0;
    for (const SessionInfo& session : workbench->sessions()) {
        errors += session.error ? 1 : 0;
        EXPECT_EQ(session.error.has_value(), session.path.filename() == "bad.mixo");
    }
    EXPECT_EQ(errors, 1);
}

TEST_F(WorkbenchTest, theCheckpointsSamplingIsThatOfTheModeItIsFor) {
    test::writeFile(model_directory / "generation_config.json", R"({"eos_token_id": 258, "temperature": 0.25})");
    start();
    workbench->openModel(model_directory.string());
    ASSERT_TRUE(workbench->waitIdle());
    EXPECT_EQ(workbench->settings().sampling.temperature, 0.25F) << "a hybrid model's is for thinking";
    change([](LaneSettings& s) { s.mode = ThinkingMode::kNoThink; });
    EXPECT_EQ(workbench->settings().sampling, defaultSampling(false));
}

TEST_F(WorkbenchTest, aModelWithOneModeKeepsToIt) {
    const std::pair<const char*, ThinkingMode> models[] = {
        {R"({"chat_template": "plain"})", ThinkingMode::kNoThink},
        {R"({"chat_template": "add_generation_prompt <think>"})", ThinkingMode::kThink}};
    start();
    for (const auto& [tokenizer_config, only] : models) {
        test::writeFile(model_directory / "tokenizer_config.json", tokenizer_config);
        workbench->openModel(model_directory.string());
        ASSERT_TRUE(workbench->waitIdle());
        EXPECT_EQ(workbench->settings().mode, only);
        for (const ThinkingMode wanted : {ThinkingMode::kThink, ThinkingMode::kNoThink, ThinkingMode::kAuto}) {
            change([wanted](LaneSettings& s) { s.mode = wanted; });
            EXPECT_EQ(workbench->settings().mode, only) << tokenizer_config;
        }
    }
}

TEST_F(WorkbenchTest, aPolicyThatTheNextModelDoesNotHaveIsLeftBehind) {
    open();
    change([](LaneSettings& s) { s.policy = "top-k:k=8"; });
    const std::filesystem::path smaller = directory / "smaller";
    std::filesystem::create_directory(smaller);
    test::writeTinyModel(smaller, {.experts = 4});
    workbench->openModel(smaller.string());
    ASSERT_TRUE(workbench->waitIdle());
    EXPECT_FALSE(workbench->snapshot()->load_error);
    EXPECT_EQ(workbench->settings().policy, "model");
}

TEST_F(WorkbenchTest, openingAnotherModelEndsALoadOrATurnUnderWay) {
    open();
    change([](LaneSettings& s) { s.max_tokens = 0; });
    workbench->setDecodePace(0.5);
    workbench->send("slow");
    waitFor([](const WorkbenchSnapshot& s) {
        return !s.lanes.empty() && !s.lanes[0].turns.empty() && s.lanes[0].turns[0].first_generated_position >= 0;
    });
    workbench->send("never");  // was meant for the model that goes
    workbench->openModel(model_directory.string());
    ASSERT_TRUE(workbench->waitIdle());
    const auto snapshot = workbench->snapshot();
    EXPECT_TRUE(snapshot->conversation.empty());
    EXPECT_EQ(snapshot->state, WorkbenchState::kReady);
    EXPECT_EQ(snapshot->recorder.state, RecorderStatus::State::kWaiting) << "the old recording is complete";
    workbench->setDecodePace(0.0);
    change([](LaneSettings& s) { s.max_tokens = 2; });
    turn("another model");
    ASSERT_TRUE(workbench->flush()) << "the recorder makes the file on its own thread";
    EXPECT_EQ(workbench->sessions().size(), 2U);
}

TEST(PutLanes, givesEachAnswerTheTextsOfItsTurn) {
    WorkbenchSnapshot snapshot;
    for (const int turn : {0, 1, 2}) {
        snapshot.conversation.push_back({.role = Role::kUser, .text = "question", .thinking = {}, .turn = turn});
        snapshot.conversation.push_back({.role = Role::kAssistant, .text = {}, .thinking = {}, .turn = turn});
    }
    LaneSnapshot lane;
    lane.turns.resize(2);  // the third has not begun
    for (const std::size_t turn : {0U, 1U}) {
        lane.turns[turn].answer_text = "answer " + std::to_string(turn);
        lane.turns[turn].thinking_text = "thought " + std::to_string(turn);
    }
    putLanes(snapshot, {lane});
    EXPECT_EQ(snapshot.conversation[0].text, "question");
    EXPECT_EQ(snapshot.conversation[1].text, "answer 0");
    EXPECT_EQ(snapshot.conversation[3].text, "answer 1");
    EXPECT_EQ(snapshot.conversation[3].thinking, "thought 1");
    EXPECT_EQ(snapshot.conversation[5].text, "");
}

}  // namespace
}  // namespace mixoscope
