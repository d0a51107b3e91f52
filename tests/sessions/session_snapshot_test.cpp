// A recorded session as the views get it: the model and back end of then, each turn with its own settings.
#include "sessions/session_snapshot.h"

#include <gtest/gtest.h>

#include <fstream>

#include "sessions/recorder.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::TemporaryDirectory;

const TraceShape kShape{.moe_layers = 3, .slots = 4, .experts = 16, .distributions = false};

LaneSettings settingsOfTurn(int turn) {
    LaneSettings settings;
    settings.mode = turn == 0 ? ThinkingMode::kThink : ThinkingMode::kNoThink;
    settings.budget = 40 - turn;
    settings.policy = "top-k:k=4";
    settings.sampling.seed = 7 + static_cast<std::uint64_t>(turn);
    settings.sampling.temperature = 0.25F;
    return settings;
}

/// Turns from `first_turn` on; the ones before were not recorded but are part of the prompt.
void record(const std::filesystem::path& file, RecordingOptions options, int first_turn, int turns) {
    options.file = file;
    test::RingAndKeeper sink(kShape, 4096);
    test::SyntheticEngine engine(kShape, 5, sink);
    Recorder recorder(std::move(options), sink.ring, sink.ring->makeReader());
    recorder.addMessage(0, Role::kSystem, "be brief", ThinkingMode::kThink);
    for (int turn = 0; turn < first_turn + turns; ++turn) {
        recorder.addMessage(turn, Role::kUser, "question " + std::to_string(turn), settingsOfTurn(turn).mode);
        if (turn >= first_turn) {
            recorder.addTurnSettings(turn, 0, settingsOfTurn(turn));
            engine.play(0, {.prompt = 12 + turn, .thinking = 5, .answer = 6});
        }
        recorder.addMessage(turn, Role::kAssistant, "answer", settingsOfTurn(turn).mode);
    }
}

TEST(SessionSnapshot, saysWhatWasRecordedOfTheModel) {
    const TemporaryDirectory directory;
    RecordingOptions options = test::syntheticRecording({}, kShape);
    options.metadata["backend"] = "cpu (AVX2, 2 threads)";
    options.metadata["model_description"] = "3 layers × 16 experts, top-4, BF16";
    options.metadata["context_tokens"] = "40960";
    record(directory / "a.mixo", options, 0, 1);
    const auto snapshot = snapshotOfSession(directory / "a.mixo");
    EXPECT_TRUE(snapshot->recorded);
    EXPECT_EQ(snapshot->state, WorkbenchState::kReady);
    ASSERT_TRUE(snapshot->model);
    EXPECT_EQ(snapshot->model->name, "synthetic");
    EXPECT_EQ(snapshot->model->directory, "/models/synthetic");
    EXPECT_EQ(snapshot->model->description, "3 layers × 16 experts, top-4, BF16");
    EXPECT_EQ(snapshot->model->backend, "cpu (AVX2, 2 threads)");
    EXPECT_EQ(snapshot->model->context_tokens, 40960);
    EXPECT_EQ(snapshot->model->moe_layers, (std::vector<std::int32_t>{1, 2, 3}));
    EXPECT_EQ(snapshot->recorder.file, directory / "a.mixo");
    EXPECT_EQ(snapshot->recorder.bytes, static_cast<std::int64_t>(std::filesystem::file_size(directory / "a.mixo")));
    EXPECT_EQ(snapshot->recorder.committed_rows, snapshot->lanes.at(0).history.rowCount());
    EXPECT_EQ(snapshot->context_used, snapshot->lanes.at(0).history.tokenCount());
}

TEST(SessionSnapshot, makesTheDescriptionOfAnOlderFileFromItsConfig) {
    const TemporaryDirectory directory;
    RecordingOptions options = test::syntheticRecording({}, kShape);
    record(directory / "no-config.mixo", options, 0, 1);
    const auto bare = snapshotOfSession(directory / "no-config.mixo");
    EXPECT_EQ(bare->model->description, "") << "a config that does not parse tells no figures";
    EXPECT_EQ(bare->model->context_tokens, 0);
    options.model.config_json =
        R"({"architectures":["Qwen3MoeForCausalLM"],"model_type":"qwen3_moe","vocab_size":256,"hidden_size":16,)"
        R"("intermediate_size":32,"num_hidden_layers":4,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":8,)"
        R"("max_position_embeddings":512,"rms_norm_eps":1e-6,"rope_theta":10000.0,"num_experts":16,)"
        R"("num_experts_per_tok":4,"moe_intermediate_size":8,"norm_topk_prob":true,"decoder_sparse_step":1,)"
        R"("mlp_only_layers":[0],"tie_word_embeddings":true})";
    record(directory / "config.mixo", options, 0, 1);
    EXPECT_EQ(snapshotOfSession(directory / "config.mixo")->model->description,
              "4 layers, 3 of them MoE × 16 experts, top-4");
}

TEST(SessionSnapshot, hasEachTurnWithItsSettings) {
    const TemporaryDirectory directory;
    record(directory / "a.mixo", test::syntheticRecording({}, kShape), 0, 3);
    const auto snapshot = snapshotOfSession(directory / "a.mixo");
    ASSERT_EQ(snapshot->lanes.size(), 1U);
    const LaneSnapshot& lane = snapshot->lanes[0];
    ASSERT_EQ(lane.turns.size(), 3U);
    for (int turn = 0; turn < 3; ++turn)
        EXPECT_EQ(lane.turns[static_cast<std::size_t>(turn)].settings, settingsOfTurn(turn)) << turn;
    EXPECT_EQ(lane.settings, settingsOfTurn(2));
    EXPECT_EQ(snapshot->settings, settingsOfTurn(2));
    ASSERT_EQ(snapshot->conversation.size(), 7U);
    EXPECT_EQ(snapshot->conversation[0].role, Role::kSystem);
    EXPECT_EQ(snapshot->conversation[5].text, "question 2");
    EXPECT_EQ(snapshot->conversation[5].mode, ThinkingMode::kNoThink);
    EXPECT_EQ(snapshot->conversation[6].text, lane.turns[2].answer_text) << "from its tokens, as live";
    EXPECT_EQ(snapshot->conversation[6].thinking, lane.turns[2].thinking_text);
}

TEST(SessionSnapshot, ofARecordingThatBeganLaterMatchesTextsAndTurns) {
    const TemporaryDirectory directory;
    record(directory / "a.mixo", test::syntheticRecording({}, kShape), 2, 1);
    const auto snapshot = snapshotOfSession(directory / "a.mixo");
    ASSERT_EQ(snapshot->lanes.at(0).turns.size(), 1U);
    EXPECT_EQ(snapshot->lanes[0].turns[0].settings, settingsOfTurn(2));
    ASSERT_EQ(snapshot->conversation.size(), 3U);
    EXPECT_EQ(snapshot->conversation[0].text, "be brief");
    EXPECT_EQ(snapshot->conversation[1].text, "question 2");
    EXPECT_EQ(snapshot->conversation[1].turn, 0);
    EXPECT_EQ(snapshot->conversation[2].text, snapshot->lanes[0].turns[0].answer_text);
}

TEST(SessionSnapshot, refusesWhatIsNoSession) {
    const TemporaryDirectory directory;
    EXPECT_THROW(snapshotOfSession(directory / "absent.mixo"), Error);
    std::ofstream(directory / "text.mixo") << "no database at all";
    EXPECT_THROW(snapshotOfSession(directory / "text.mixo"), Error);
}

}  // namespace
}  // namespace mixoscope
