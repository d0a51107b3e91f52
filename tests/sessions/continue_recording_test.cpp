// A recording gone on with from any of its steps is what it would have been without the interruption: the same tokens,
// log-probabilities, experts and weights, bit for bit. The recording itself stays as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "engine/routing_policy.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/session_file.h"
#include "sessions/session_replay.h"
#include "sessions/session_snapshot.h"
#include "support/paths.h"
#include "support/recorded_session.h"
#include "workbench_fixture_test.h"

namespace mixoscope {
namespace {

using namespace test;

std::string bytesOf(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void expectSameHistory(const History& a, const History& b) {
    ASSERT_EQ(a.tokenCount(), b.tokenCount());
    ASSERT_EQ(a.rowCount(), b.rowCount());
    for (std::int32_t position = 0; position < b.tokenCount(); ++position) {
        ASSERT_TRUE(sameToken(a.token(position).trace, b.token(position).trace)) << "position " << position;
        ASSERT_EQ(a.token(position).bytes, b.token(position).bytes);
        if (position >= b.rowCount()) continue;
        for (std::int32_t layer = 0; layer < b.shape().moe_layers; ++layer) {
            ASSERT_TRUE(std::ranges::equal(a.experts(position, layer), b.experts(position, layer))) << position;
            ASSERT_TRUE(std::ranges::equal(a.weights(position, layer), b.weights(position, layer))) << position;
            ASSERT_EQ(a.router(position, layer).entropy, b.router(position, layer).entropy) << position;
            ASSERT_EQ(a.router(position, layer).next_expert, b.router(position, layer).next_expert) << position;
            ASSERT_EQ(a.router(position, layer).flags, b.router(position, layer).flags) << position;
        }
    }
}

/// The first `turns` turns of a lane, and what happened in them besides tokens.
void expectSameTurns(const LaneSnapshot& shown, const LaneSnapshot& recorded, std::size_t turns) {
    ASSERT_EQ(shown.turns.size(), turns);
    for (std::size_t turn = 0; turn < turns; ++turn) {
        SCOPED_TRACE("turn " + std::to_string(turn));
        const TurnFacts& a = shown.turns[turn];
        const TurnFacts& b = recorded.turns[turn];
        ASSERT_NO_FATAL_FAILURE(expectSameHistory(shown.historyOfTurn(turn), recorded.historyOfTurn(turn)));
        EXPECT_EQ(a.thinking_text, b.thinking_text);
        EXPECT_EQ(a.answer_text, b.answer_text);
        EXPECT_EQ(a.thinking_tokens, b.thinking_tokens);
        EXPECT_EQ(a.injected_tokens, b.injected_tokens);
        EXPECT_EQ(a.closed_by_budget, b.closed_by_budget);
        EXPECT_EQ(a.stop_reason, b.stop_reason);
        EXPECT_EQ(a.settings, b.settings);
        EXPECT_EQ(a.prompt_tokens, b.prompt_tokens);
        EXPECT_EQ(a.first_generated_position, b.first_generated_position);
    }
    for (const CheckResult& check : shown.checks) EXPECT_TRUE(check.holds) << check.name << ": " << check.violation;
}

bool isChange(const LaneEvent& event) {
    return event.kind == LaneEventKind::kPolicyChanged || event.kind == LaneEventKind::kBudgetChanged ||
           event.kind == LaneEventKind::kSamplingChanged;
}

/// Settings that were changed up to the end of a turn, counted.
std::int64_t changesUpTo(std::size_t turn, const std::vector<LaneEvent>& events) {
    std::size_t finished = 0;
    std::int64_t changes = 0;
    for (const LaneEvent& event : events) {
        if (finished <= turn && isChange(event)) ++changes;
        if (event.kind == LaneEventKind::kFinished) ++finished;
    }
    return changes;
}

class ContinueRecording : public WorkbenchTest {
protected:
    void openDemo() {
        options.demo_directory = resourcesDirectory() / "demo";
        options.backend = "cpu";
        options.threads = 1;
        start();
        workbench->openModel("demo");
        ASSERT_TRUE(workbench->waitIdle());
        ASSERT_EQ(workbench->snapshot()->state, WorkbenchState::kReady);
    }
    /// Ends the recording of the conversation; its file stands alone then.
    std::filesystem::path recorded() {
        EXPECT_TRUE(workbench->flush());
        const std::filesystem::path file = workbench->snapshot()->recorder.file;
        workbench->newConversation();
        EXPECT_TRUE(workbench->waitIdle());
        return file;
    }
    std::shared_ptr<const WorkbenchSnapshot> goOn(const ContinueRequest& request) {
        const std::int64_t before = workbench->snapshot()->continues_asked;
        workbench->continueRecording(request);
        EXPECT_TRUE(workbench->waitIdle());
        auto snapshot = workbench->snapshot();
        EXPECT_EQ(snapshot->continues_asked, before + 1);
        EXPECT_EQ(snapshot->state, snapshot->model ? WorkbenchState::kReady : WorkbenchState::kNoModel);
        return snapshot;
    }
    static std::int64_t stepsOf(const std::filesystem::path& file) {
        SessionReplay replay(file);
        while (replay.readMore(4096)) {
        }
        return replay.index()->count();
    }
    /// From every step, what is generated is what was recorded, on screen and in the new file. Where somebody changed
    /// settings further on in the turn, nobody does so now: then it is the same up to there. Returns from how many
    /// steps it was compared to the turn's end.
    std::int64_t expectSameFromEveryStep(const std::filesystem::path& file) {
        std::int64_t whole_turns = 0;
        compareFromEveryStep(file, whole_turns);
        return whole_turns;
    }
    void compareFromEveryStep(const std::filesystem::path& file, std::int64_t& whole_turns) {
        const auto original = snapshotOfSession(file);
        const LaneSnapshot& lane = original->lanes.front();
        const std::string bytes = bytesOf(file);
        SessionReplay replay(file);
        while (replay.readMore(4096)) {
        }
        for (std::int64_t step = 1; step <= replay.index()->count(); ++step) {
            SCOPED_TRACE("step " + std::to_string(step));
            replay.seek(step);
            const WorkbenchSnapshot there = replay.snapshot();
            const std::size_t turns = there.lanes.front().turns.size();
            const auto snapshot = goOn({.file = file, .step = step});
            ASSERT_FALSE(snapshot->continue_error) << Error(*snapshot->continue_error).what();
            ASSERT_FALSE(snapshot->turn_error) << Error(*snapshot->turn_error).what();
            const auto changed = std::ranges::count_if(there.lanes.front().events, isChange);
            EXPECT_NE(snapshot->recorder.file, file);
            if (changed < changesUpTo(turns - 1, lane.events)) {
                const History& before = there.lanes.front().history;
                ASSERT_EQ(snapshot->lanes.front().turns.size(), turns);
                for (std::int32_t position = 0; position < before.tokenCount(); ++position)
                    ASSERT_TRUE(
                        sameToken(snapshot->lanes.front().history.token(position).trace, before.token(position).trace));
                continue;
            }
            ++whole_turns;
            ASSERT_NO_FATAL_FAILURE(expectSameTurns(snapshot->lanes.front(), lane, turns));
            ASSERT_EQ(snapshot->conversation.size(), 2 * turns);
            for (std::size_t i = 0; i < 2 * turns; ++i) {
                EXPECT_EQ(snapshot->conversation[i].text, original->conversation[i].text);
                EXPECT_EQ(snapshot->conversation[i].role, original->conversation[i].role);
            }
            // The new file holds all of it.
            ASSERT_TRUE(workbench->flush());
            const auto kept = snapshotOfSession(snapshot->recorder.file);
            ASSERT_NO_FATAL_FAILURE(expectSameTurns(kept->lanes.front(), lane, turns));
            EXPECT_EQ(kept->settings, there.settings) << "in force there, and nothing changed them";
            ASSERT_FALSE(HasFailure());
        }
        EXPECT_EQ(bytesOf(file), bytes) << "the recording has changed";
    }
};

TEST_F(ContinueRecording, fromEveryStepOfThinkingAndAnswersIsBitForBit) {
    openDemo();
    change([](LaneSettings& s) { s.sampling.greedy = true; });
    turn("What is 47 + 85? /think");
    // Drawn with a seed, and cut by the budget: the injected text and what follows it.
    change([](LaneSettings& s) {
        s.sampling.greedy = false;
        s.sampling.temperature = 1.5F;
        s.sampling.seed = 11;
        s.budget = 5;
    });
    const auto cut =
        turn("Tom has 27 apples. He buys 35 more and gives away 18. How many apples does he have now? /think");
    ASSERT_TRUE(cut->lanes[0].turns.back().closed_by_budget);
    change([](LaneSettings& s) { s.mode = ThinkingMode::kNoThink; });
    turn("What is 2 + 3?");
    const std::filesystem::path file = recorded();
    EXPECT_EQ(expectSameFromEveryStep(file), stepsOf(file));
}

TEST_F(ContinueRecording, underEveryKindOfPolicyAndThroughTheirChanges) {
    open();
    change([](LaneSettings& s) {
        s.max_tokens = 14;
        s.sampling = {.temperature = 1.2F, .presence_penalty = 0.5F, .repetition_penalty = 1.1F, .seed = 5};
    });
    const std::string question(200, 'q');  // its prompt is computed in two steps
    const ModelConfig config = openTinyModel().config;
    for (const char* text :
         {"top-k:k=4", "top-k:k=2,capacity=0.5", "expert-choice:capacity=1", "bias-balanced:rate=0.02",
          "any-experts:min=1,max=4,virtual=0.4", "top-k:k=4,phase=prompt+random:k=2,phase=answer"}) {
        SCOPED_TRACE(text);
        const std::string policy = parsePolicy(text, config)->text();  // as events have it
        change([&](LaneSettings& s) { s.policy = "top-k:k=5"; });
        workbench->newConversation();
        ASSERT_TRUE(workbench->waitIdle());
        change([&](LaneSettings& s) { s.policy = policy; });
        turn("a");
        // Changed on the way, twice.
        workbench->setDecodePace(100.0);
        workbench->send(question);
        const auto generated = [](std::size_t count) {
            return [count](const WorkbenchSnapshot& s) {
                return !s.lanes.empty() && s.lanes[0].turns.size() == 2 &&
                       s.lanes[0].turns[1].first_generated_position >= 0 && generatedTokens(s.lanes[0], 1) >= count;
            };
        };
        waitFor(generated(3));
        change([](LaneSettings& s) { s.policy = "model"; });
        waitFor(generated(7));
        change([&](LaneSettings& s) { s.policy = policy; });
        ASSERT_TRUE(workbench->waitIdle());
        workbench->setDecodePace(0.0);
        const auto& events = workbench->snapshot()->lanes[0].events;
        ASSERT_GE(std::ranges::count(events, LaneEventKind::kPolicyChanged, &LaneEvent::kind), 2);
        EXPECT_GE(expectSameFromEveryStep(recorded()), 10);
        ASSERT_FALSE(HasFailure());
    }
}

TEST_F(ContinueRecording, goesOnWithATurnThatWasStoppedAndEndsWhereItIsAskedTo) {
    openDemo();
    change([](LaneSettings& s) { s.sampling.greedy = true; });
    const auto whole = turn("What is 47 + 85? /think");
    const LaneSnapshot unbroken = whole->lanes[0];
    workbench->newConversation();
    ASSERT_TRUE(workbench->waitIdle());
    workbench->setDecodePace(100.0);
    workbench->send("What is 47 + 85? /think");
    waitFor([](const WorkbenchSnapshot& s) {
        return !s.lanes.empty() && !s.lanes[0].turns.empty() && s.lanes[0].turns[0].thinking_tokens >= 6;
    });
    workbench->stop();
    ASSERT_TRUE(workbench->waitIdle());
    workbench->setDecodePace(0.0);
    ASSERT_EQ(workbench->snapshot()->lanes[0].turns[0].stop_reason, StopReason::kStopped);
    const std::filesystem::path file = recorded();

    const auto resumed = goOn({.file = file, .step = stepsOf(file)});
    ASSERT_FALSE(resumed->continue_error || resumed->turn_error);
    expectSameTurns(resumed->lanes[0], unbroken, 1);
    ASSERT_TRUE(workbench->flush());
    expectSameTurns(snapshotOfSession(resumed->recorder.file)->lanes[0], unbroken, 1);

    // Ended there, it can be forked at any of its tokens; a fork that changes nothing is the rest of the turn.
    const auto ended = goOn({.file = file, .step = 6, .stop_there = true});
    const LaneSnapshot& short_lane = ended->lanes[0];
    EXPECT_EQ(short_lane.turns[0].stop_reason, StopReason::kStopped);
    const std::int32_t at = short_lane.history.tokenCount();
    EXPECT_LT(at, unbroken.history.tokenCount());
    workbench->forkChat({.lane = 0, .position = at - 2, .settings = workbench->settings(), .token = {}});
    ASSERT_TRUE(workbench->waitIdle());
    const auto forked = workbench->snapshot();
    ASSERT_FALSE(forked->fork_error) << Error(*forked->fork_error).what();
    ASSERT_EQ(forked->lanes.size(), 2U);
    expectSameHistory(forked->lanes[1].history, unbroken.history);
    EXPECT_EQ(forked->origins[1].change, "");
}

TEST_F(ContinueRecording, theNextTurnsPromptIsTheRecordedOnes) {
    openDemo();
    workbench->setSystemPrompt("Be brief.");
    change([](LaneSettings& s) { s.sampling.greedy = true; });
    turn("What is 47 + 85? /think");
    const auto second = turn("What is 2 + 3? /think");
    const LaneSnapshot original = second->lanes[0];
    const std::filesystem::path file = recorded();
    SessionReplay replay(file);
    while (replay.readMore(4096)) {
    }
    const std::int64_t end_of_first = replay.index()->nextTurn(1) - 1;
    workbench->setSystemPrompt("");
    const auto first = goOn({.file = file, .step = end_of_first});
    EXPECT_EQ(first->conversation.size(), 3U) << "with the system's message";
    const auto snapshot = turn("What is 2 + 3? /think");
    expectSameTurns(snapshot->lanes[0], original, 2);
    // A conversation that begins anew has the window's own.
    workbench->newConversation();
    EXPECT_EQ(turn("What is 2 + 3? /think")->conversation.size(), 2U);
}

TEST_F(ContinueRecording, saysWhichFileOfTheModelIsAnotherOne) {
    open();
    const LaneSnapshot original = turn("abc")->lanes[0];
    const std::filesystem::path file = recorded();
    workbench.reset();
    const std::uintmax_t size = std::filesystem::file_size(model_directory / "model.safetensors");
    writeTinyModel(model_directory, {.seed = 77});
    ASSERT_EQ(std::filesystem::file_size(model_directory / "model.safetensors"), size) << "its size does not tell";
    start();
    const auto refused = goOn({.file = file, .step = 4});
    ASSERT_TRUE(refused->continue_error);
    EXPECT_TRUE(refused->continue_other_model);
    EXPECT_EQ(refused->continue_error->where, (model_directory / "model.safetensors").string());
    EXPECT_NE(refused->continue_error->what.find("not the one recorded"), std::string::npos);
    EXPECT_NE(refused->continue_error->expected, refused->continue_error->found);
    EXPECT_TRUE(refused->lanes.empty()) << "nothing was done";
    EXPECT_EQ(refused->model, nullptr);

    const auto allowed = goOn({.file = file, .step = 4, .other_model = true});
    EXPECT_FALSE(allowed->continue_error);
    ASSERT_EQ(allowed->lanes.size(), 1U);
    const History& now = allowed->lanes[0].history;
    EXPECT_EQ(now.tokenCount(), original.history.tokenCount());
    SessionReplay replay(file);
    while (replay.readMore(4096)) {
    }
    replay.seek(4);
    const std::int32_t there = replay.snapshot().lanes[0].history.tokenCount();
    for (std::int32_t position = 0; position < there; ++position)
        EXPECT_TRUE(sameToken(now.token(position).trace, original.history.token(position).trace));
    EXPECT_FALSE(sameToken(now.token(there).trace, original.history.token(there).trace)) << "other weights";

    // The tokenizer is part of the model too.
    workbench.reset();
    writeTinyModel(model_directory);
    std::ofstream(model_directory / "tokenizer.json", std::ios::app) << "\n";
    start();
    const auto other_words = goOn({.file = file, .step = 4});
    ASSERT_TRUE(other_words->continue_error);
    EXPECT_EQ(other_words->continue_error->where, (model_directory / "tokenizer.json").string());

    workbench.reset();
    writeTinyModel(model_directory, {.experts = 4});
    start();
    const auto other_shape = goOn({.file = file, .step = 4, .other_model = true});
    ASSERT_TRUE(other_shape->continue_error);
    EXPECT_NE(other_shape->continue_error->what.find("another shape"), std::string::npos);
    EXPECT_FALSE(other_shape->continue_other_model) << "asking again is of no use";
}

TEST_F(ContinueRecording, opensTheModelAgainWhereItWas) {
    open();
    const LaneSnapshot original = turn("abc")->lanes[0];
    const std::filesystem::path file = recorded();
    workbench.reset();
    start();
    const auto snapshot = goOn({.file = file, .step = 5});
    ASSERT_FALSE(snapshot->continue_error) << Error(*snapshot->continue_error).what();
    ASSERT_TRUE(snapshot->model);
    EXPECT_EQ(snapshot->model->directory, model_directory.string());
    expectSameTurns(snapshot->lanes[0], original, 1);

    workbench.reset();
    std::filesystem::rename(model_directory, directory / "elsewhere");
    start();
    const auto missing = goOn({.file = file, .step = 5});
    ASSERT_TRUE(missing->continue_error);
    EXPECT_FALSE(missing->continue_other_model);
    EXPECT_NE(missing->continue_error->what.find("not there any more"), std::string::npos);
    EXPECT_EQ(missing->continue_error->expected, model_directory.string());
}

TEST_F(ContinueRecording, whatCannotBeGoneOnWithSaysWhyAndLeavesTheChat) {
    open();
    turn("first");
    const std::filesystem::path file = recorded();
    const auto live = turn("live");
    const std::size_t tokens = static_cast<std::size_t>(live->lanes[0].history.tokenCount());
    const auto expectRefused = [&](const ContinueRequest& request, const std::string& what, const std::string& where) {
        const auto snapshot = goOn(request);
        ASSERT_TRUE(snapshot->continue_error) << what;
        EXPECT_NE(snapshot->continue_error->what.find(what), std::string::npos) << snapshot->continue_error->what;
        EXPECT_NE(snapshot->continue_error->where.find(where), std::string::npos) << snapshot->continue_error->where;
        EXPECT_FALSE(snapshot->continue_other_model);
        ASSERT_EQ(snapshot->lanes.size(), 1U);
        EXPECT_EQ(static_cast<std::size_t>(snapshot->lanes[0].history.tokenCount()), tokens);
    };
    expectRefused({.file = file, .step = stepsOf(file) + 1}, "no such step", file.string());
    expectRefused({.file = file, .step = 0}, "no such step", file.string());
    expectRefused({.file = directory / "absent.mixo", .step = 1}, "cannot be opened", "absent.mixo");

    // A recording that was switched on in mid-conversation knows nothing of what the model had read before.
    workbench->setRecording(false);
    turn("not recorded");
    workbench->setRecording(true);
    turn("recorded again");
    ASSERT_TRUE(workbench->flush());
    const std::filesystem::path late = workbench->snapshot()->recorder.file;
    workbench->newConversation();
    ASSERT_TRUE(workbench->waitIdle());
    turn("live");
    expectRefused({.file = late, .step = 1}, "began after its conversation", late.string());

    // A file of a comparison.
    workbench->setComparisonLanes({workbench->settings(), workbench->settings()});
    workbench->runComparison({{.role = Role::kUser, .content = "both"}}, false);
    ASSERT_TRUE(workbench->waitIdle());
    ASSERT_TRUE(workbench->flush());
    expectRefused({.file = workbench->snapshot()->comparison_recorder.file, .step = 2}, "comparison", ".mixo");
}

}  // namespace
}  // namespace mixoscope
