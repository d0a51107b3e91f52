// A conversation written token by token, as the chat sees it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "views/bridge.h"

namespace mixoscope::test {

class ChatScript {
public:
    ChatScript();
    /// Begins a turn: the message and its prompt tokens.
    void ask(const std::string& text, std::int32_t prompt_tokens, ThinkingMode mode = ThinkingMode::kThink);
    void openBlock();
    void think(const std::vector<std::string>& tokens);
    void inject(const std::vector<std::string>& tokens);
    void closeBlock();
    void answer(const std::vector<std::string>& tokens, std::uint8_t flags = 0);
    void end(StopReason reason = StopReason::kEndOfTurn);

    TurnFacts& facts() { return m_turns.back(); }
    LaneSettings settings;
    LaneState state = LaneState::kIdle;
    /// Position that the next token gets.
    std::int32_t nextPosition() const { return m_position; }
    SnapshotPointer snapshot();

private:
    void add(const std::string& bytes, Phase phase, std::uint8_t flags);

    TraceShape m_shape;
    std::unique_ptr<HistoryWriter> m_writer;
    std::vector<TurnFacts> m_turns;
    std::vector<ConversationEntry> m_conversation;
    std::int32_t m_position = 0;
    std::uint64_t m_serial = 0;
};

/// A bridge whose snapshots a test hands in.
class HandFedBridge {
public:
    HandFedBridge();
    void show(SnapshotPointer snapshot);
    WorkbenchBridge& bridge() { return *m_bridge; }

private:
    SnapshotPointer m_next;
    std::unique_ptr<WorkbenchBridge> m_bridge;
};

/// Cuts a text into pieces of a few bytes, as a tokenizer might.
std::vector<std::string> piecesOf(const std::string& text, std::size_t length = 4);

}  // namespace mixoscope::test
