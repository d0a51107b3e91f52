// The state at every step of a recording is the one that live aggregates had there, in whatever order one goes.
#include "sessions/session_replay.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "probes/aggregates.h"
#include "support/recorded_session.h"
#include "support/same_lane.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::TemporaryDirectory;

constexpr TraceShape kShape{3, 4, 16, false};

void readAll(SessionReplay& replay) {
    while (replay.readMore(64)) {
    }
}

/// What aggregates that were fed directly say at the end of each step that had rows.
std::vector<std::vector<LaneSnapshot>> liveStates(const std::vector<test::Record>& records) {
    Aggregates aggregates(kShape, true, test::syntheticBytes, kShape.slots);
    std::vector<std::vector<LaneSnapshot>> states;
    bool has_rows = false;
    Step step = -1;
    const auto close = [&] {
        if (has_rows) states.push_back(aggregates.snapshot());
        has_rows = false;
    };
    for (const test::Record& record : records) {
        if (record.is_event) {
            // What begins a turn is shown with the turn's first step.
            if (record.event.kind == LaneEventKind::kTurnStarted) close();
            if (record.event.kind == LaneEventKind::kTurnStarted) aggregates.setSettings(record.event.lane, {});
            aggregates.add(record.event);
        } else {
            if (record.row.trace.step != step) close();
            step = record.row.trace.step;
            aggregates.add(record.row.view());
            has_rows = true;
        }
    }
    close();
    return states;
}

class SessionReplayTest : public testing::Test {
protected:
    TemporaryDirectory directory;
    std::filesystem::path file = directory / "a.mixo";
};

TEST_F(SessionReplayTest, isAtEveryStepWhereLiveWas) {
    const std::vector<test::Record> records = test::recordSession(file, kShape, 4, 11);
    const auto live = liveStates(records);
    SessionReplay replay(file);
    EXPECT_EQ(replay.rowsRead(), 0);
    readAll(replay);
    ASSERT_EQ(replay.index()->count(), static_cast<std::int64_t>(live.size()));
    EXPECT_EQ(replay.rowsRead(), replay.rowsTotal());
    EXPECT_EQ(replay.step(), replay.index()->count()) << "the cursor is at the end";
    std::vector<std::int64_t> order;
    for (std::int64_t step = 1; step <= replay.index()->count(); ++step) order.push_back(step);  // on, one by one
    for (std::int64_t step = replay.index()->count(); step >= 1; --step) order.push_back(step);  // back
    std::mt19937 random(3);
    for (int jump = 0; jump < 20; ++jump)
        order.push_back(std::uniform_int_distribution<std::int64_t>(1, replay.index()->count())(random));
    for (const std::int64_t step : order) {
        SCOPED_TRACE(step);
        replay.seek(step);
        ASSERT_EQ(replay.step(), step);
        const WorkbenchSnapshot shown = replay.snapshot();
        const auto& expected = live[static_cast<std::size_t>(step - 1)];
        ASSERT_EQ(shown.lanes.size(), expected.size());
        for (std::size_t lane = 0; lane < expected.size(); ++lane) {
            // How full the ring was is not in the file.
            LaneSnapshot without = expected[lane];
            without.checks.back() = shown.lanes[lane].checks.back();
            test::expectSameLane(shown.lanes[lane], without);
        }
        ASSERT_FALSE(testing::Test::HasFailure());
    }
}

TEST_F(SessionReplayTest, showsTheConversationUpToTheCursor) {
    test::recordSession(file, kShape, 3, 7);
    SessionReplay replay(file);
    readAll(replay);
    const PlaybackIndex& index = *replay.index();
    std::vector<std::int64_t> beginnings;
    for (std::int64_t step = 1; step <= index.count(); ++step) {
        if (index.step(step).begins_turn) beginnings.push_back(step);
    }
    ASSERT_EQ(beginnings.size(), 3U);
    EXPECT_EQ(beginnings[0], 1);
    for (std::size_t turn = 0; turn < beginnings.size(); ++turn) {
        replay.seek(beginnings[turn]);
        const WorkbenchSnapshot begun = replay.snapshot();
        EXPECT_EQ(begun.lanes[0].turns.size(), turn + 1);
        EXPECT_EQ(begun.conversation.back().turn, static_cast<int>(turn));
        EXPECT_EQ(begun.conversation.back().text, begun.lanes[0].turns[turn].answer_text) << "as far as it came";
        if (turn == 0) continue;
        replay.seek(beginnings[turn] - 1);
        const WorkbenchSnapshot before = replay.snapshot();
        EXPECT_EQ(before.lanes[0].turns.size(), turn);
        EXPECT_EQ(before.lanes[0].state, LaneState::kFinished) << "the end of a turn belongs to its last step";
        EXPECT_EQ(before.conversation.back().turn, static_cast<int>(turn) - 1);
    }
    EXPECT_EQ(index.nextTurn(1), beginnings[1]);
    EXPECT_EQ(index.nextTurn(beginnings[2]), index.count());
    EXPECT_EQ(index.previousTurn(index.count()), beginnings[2]);
    EXPECT_EQ(index.previousTurn(beginnings[2]), beginnings[1]);
    EXPECT_EQ(index.previousTurn(1), 1);
}

TEST_F(SessionReplayTest, findsTheStepOfEachToken) {
    test::recordSession(file, kShape, 2, 7);
    SessionReplay replay(file);
    readAll(replay);
    const PlaybackIndex& index = *replay.index();
    EXPECT_EQ(index.rows(), replay.rowsTotal());
    EXPECT_EQ(index.step(1).phase, Phase::kPrompt);
    EXPECT_EQ(index.stepOfRow(1), 1) << "a prompt is computed in one step";
    EXPECT_EQ(index.stepOfRow(index.rowsAt(1)), 1);
    EXPECT_EQ(index.stepOfRow(index.rowsAt(1) + 1), 2);
    EXPECT_EQ(index.stepOfRow(index.rows()), index.count());
    EXPECT_EQ(index.stepOfRow(index.rows() + 99), index.count());
    replay.seek(0);
    EXPECT_EQ(replay.step(), 1) << "there is nothing to show before the first step";
    replay.seek(index.count() + 5);
    EXPECT_EQ(replay.step(), index.count());
}

/// Longer than the distance between the states that are kept, and than a chunk of rows.
TEST_F(SessionReplayTest, goesAnywhereInALongSession) {
    constexpr TraceShape kSmall{1, 1, 4, false};
    {
        test::RingAndKeeper sink(kSmall, 16384);
        test::SyntheticEngine engine(kSmall, 5, sink);
        Recorder recorder(test::syntheticRecording(file, kSmall), sink.ring, sink.ring->makeReader());
        recorder.addMessage(0, Role::kUser, "much", ThinkingMode::kThink);
        recorder.addTurnSettings(0, 0, {});
        engine.play(0, {.prompt = 20, .thinking = 5000, .answer = 10});
    }
    SessionReplay replay(file);
    readAll(replay);
    for (const std::int64_t step : {1, 1023, 1024, 1025, 3000, 2999, 5012, 2}) {
        replay.seek(step);
        const WorkbenchSnapshot shown = replay.snapshot();
        const TurnFacts& turn = shown.lanes[0].turns.back();
        EXPECT_EQ(shown.lanes[0].history.rowCount(), replay.index()->rowsAt(step)) << step;
        EXPECT_EQ(turn.thinking_tokens, std::min<std::int64_t>(step - 1, 5000)) << step;
        EXPECT_EQ(shown.lanes[0].load->allPhases(0).rows, replay.index()->rowsAt(step)) << step;
        EXPECT_EQ(shown.context_used, replay.index()->rowsAt(step) + 1) << step;
    }
}

TEST_F(SessionReplayTest, ofASessionWithoutTokensIsEmpty) {
    {
        test::RingAndKeeper sink(kShape, 64);
        const Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
    }
    SessionReplay replay(file);
    readAll(replay);
    replay.seek(3);
    EXPECT_EQ(replay.step(), 0);
    EXPECT_TRUE(replay.snapshot().lanes.empty());
    EXPECT_EQ(replay.index()->nextTurn(0), 0);
    EXPECT_EQ(replay.index()->previousTurn(0), 0);
}

TEST_F(SessionReplayTest, saysWhetherTheModelIsAtHand) {
    RecordingOptions options = test::syntheticRecording(file, kShape);
    options.model.directory = directory.path().string();
    const auto verdict = [&] { return SessionReplay(file).modelAtHand(); };
    {
        test::RingAndKeeper sink(kShape, 64);
        const Recorder recorder(options, sink.ring, sink.ring->makeReader());
    }
    EXPECT_EQ(verdict().verdict, ModelAtHand::Verdict::kAbsent);
    std::ofstream(directory / "model.safetensors") << std::string(1234, 'x');
    EXPECT_EQ(verdict().verdict, ModelAtHand::Verdict::kSameFiles);
    std::ofstream(directory / "model.safetensors") << "other";
    EXPECT_EQ(verdict().verdict, ModelAtHand::Verdict::kOtherFiles);
    EXPECT_NE(verdict().detail.find("has 5 bytes, then 1234"), std::string::npos) << verdict().detail;
}

}  // namespace
}  // namespace mixoscope
