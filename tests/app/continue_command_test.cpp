// `mixoscope generate --continue`: the rest of a recorded turn, as it was recorded or under other settings.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/run_program_test.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::isMessage;
using test::ProgramResult;
using test::runProgramWith;

class ContinueCommand : public testing::Test {
protected:
    ContinueCommand() {
        std::filesystem::create_directory(m_model);
        test::writeTinyModel(m_model, {.seed = 5});
        const ProgramResult result = runProgramWith(
            {"generate", "--model", m_model.string(), "--prompt", "hello", "--system", "Be brief.", "--seed", "7",
             "--policy", "top-k:k=3", "--max-tokens", "24", "--ignore-eos", "--json", "--record", m_file});
        EXPECT_EQ(result.status, 0) << result.err;
        m_lines = result.jsonLines();
        m_bytes = bytes();
    }

    ProgramResult goOn(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments = {"generate", "--continue", m_file};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return runProgramWith(arguments);
    }
    std::string bytes() const {
        std::ifstream stream(m_file, std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    }

    test::TemporaryDirectory m_directory;
    std::filesystem::path m_model = m_directory / "model";
    std::string m_file = (m_directory / "a.mixo").string();
    std::vector<json> m_lines;  // 24 tokens and the summary
    std::string m_bytes;
};

TEST_F(ContinueCommand, PrintsAndRecordsTheRestOfTheTurnAsItWasRecorded) {
    const std::string copy = (m_directory / "b.mixo").string();
    const ProgramResult result = goOn({"--at", "10", "--json", "--record", copy});
    ASSERT_EQ(result.status, 0) << result.err;
    const std::vector<json> lines = result.jsonLines();
    // Step 1 computes the prompt and chooses the first token, so step 10 is where ten of them are there.
    ASSERT_EQ(lines.size(), 14U + 1U);
    for (std::size_t i = 0; i < 14; ++i) EXPECT_EQ(lines[i], m_lines[10 + i]);
    for (const char* count : {"prompt_tokens", "thinking_tokens", "answer_tokens", "injected_tokens", "stop_reason"})
        EXPECT_EQ(lines.back()["summary"][count], m_lines.back()["summary"][count]) << count;
    EXPECT_EQ(bytes(), m_bytes) << "the recording has changed";

    const auto old_session = snapshotOfSession(m_file);
    const auto new_session = snapshotOfSession(copy);
    const History& old_history = old_session->lanes[0].history;
    const History& new_history = new_session->lanes[0].history;
    ASSERT_EQ(new_history.tokenCount(), old_history.tokenCount());
    ASSERT_EQ(new_history.rowCount(), old_history.rowCount());
    for (std::int32_t position = 0; position < new_history.rowCount(); ++position) {
        EXPECT_EQ(new_history.token(position).trace.id, old_history.token(position).trace.id);
        for (std::int32_t layer = 0; layer < new_history.shape().moe_layers; ++layer)
            EXPECT_TRUE(std::ranges::equal(new_history.weights(position, layer), old_history.weights(position, layer)));
    }
    ASSERT_EQ(new_session->conversation.size(), old_session->conversation.size());
    for (std::size_t i = 0; i < new_session->conversation.size(); ++i)
        EXPECT_EQ(new_session->conversation[i].text, old_session->conversation[i].text);
    EXPECT_EQ(new_session->settings, old_session->settings);
    const SessionReader reader(copy);
    EXPECT_EQ(reader.metadata("continued_from"), m_file);
    EXPECT_EQ(reader.metadata("continued_at_step"), "10");
    std::string answer;
    reader.messages([&](int, int role, const std::string& text, int) {
        if (role == static_cast<int>(Role::kAssistant)) answer = text;
    });
    std::string said;
    for (const json& line : m_lines) {
        if (line.contains("text")) said += line["text"].get<std::string>();
    }
    EXPECT_EQ(answer, said) << "all of it, not the new part alone";
}

TEST_F(ContinueCommand, OptionsChangeTheSettingsFromThereOn) {
    const std::string copy = (m_directory / "b.mixo").string();
    const ProgramResult result =
        goOn({"--at", "10", "--policy", "top-k:k=1", "--seed", "8", "--max-tokens", "30", "--json", "--record", copy});
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.jsonLines().size(), 20U + 1U);
    const auto session = snapshotOfSession(copy);
    EXPECT_EQ(session->settings.policy.substr(0, 9), "top-k:k=1");
    EXPECT_EQ(session->settings.sampling.seed, 8U);
    const History& history = session->lanes[0].history;
    const std::int32_t there = session->lanes[0].turns[0].prompt_tokens + 9;  // rows that were computed
    const auto active = [&](std::int32_t position) { return history.router(position, 0).active; };
    for (std::int32_t position = 0; position < history.rowCount(); ++position)
        EXPECT_EQ(active(position), position < there ? 3 : 1) << position;
    // Where the limit was the end, another one goes on.
    EXPECT_EQ(goOn({"--max-tokens", "26", "--json"}).jsonLines().size(), 2U + 1U);
}

TEST_F(ContinueCommand, WhatCannotBeGoneOnWithIsAMessage) {
    const auto expectRefused = [&](const std::vector<std::string>& more, const std::string& what) {
        const ProgramResult result = goOn(more);
        EXPECT_EQ(result.status, 2) << result.err;
        EXPECT_TRUE(isMessage(result.err)) << result.err;
        EXPECT_NE(result.err.find(what), std::string::npos) << result.err;
        EXPECT_EQ(result.out, "");
    };
    expectRefused({}, "Nothing is left to generate");
    expectRefused({"--at", "99"}, "no such step");
    expectRefused({"--at", "10", "--record", m_file}, "exists already");
    expectRefused({"--at", "10", "--mode", "think"}, "--mode");
    expectRefused({"--at", "10", "--prompt", "more"}, "--prompt");
    expectRefused({"--at", "10", "--policy", "top-k:k=99"}, "k");
    EXPECT_EQ(runProgramWith({"generate", "--prompt", "a", "--at", "10"}).status, 2);

    test::writeTinyModel(m_model, {.seed = 6});
    expectRefused({"--at", "10"}, (m_model / "model.safetensors").string());
    expectRefused({"--at", "10"}, "--other-model");
    const ProgramResult allowed = goOn({"--at", "10", "--other-model", "--json"});
    EXPECT_EQ(allowed.status, 0) << allowed.err;
    EXPECT_EQ(allowed.jsonLines().size(), 15U);
    std::filesystem::rename(m_model, m_directory / "elsewhere");
    expectRefused({"--at", "10"}, "not there any more");
    test::writeTinyModel(m_directory / "elsewhere", {.seed = 5});
    const ProgramResult named = goOn({"--at", "10", "--model", (m_directory / "elsewhere").string(), "--json"});
    ASSERT_EQ(named.status, 0) << named.err;
    EXPECT_EQ(named.jsonLines()[0], m_lines[10]) << "the same model elsewhere";
}

}  // namespace
}  // namespace mixoscope
