#include "chat_script_test.h"

namespace mixoscope::test {

ChatScript::ChatScript()
    : m_shape{.moe_layers = 1, .slots = 1, .experts = 4, .distributions = false},
      m_writer(std::make_unique<HistoryWriter>(m_shape)) {}

void ChatScript::add(const std::string& bytes, Phase phase, std::uint8_t flags) {
    const std::int16_t expert = 0;
    const float weight = 1.0F;
    const RouterFacts router;
    StepTrace trace;
    trace.token.position = m_position++;
    trace.token.id = static_cast<TokenId>(bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]));
    trace.token.phase = phase;
    trace.token.flags = flags;
    trace.token.turn = static_cast<std::int32_t>(m_turns.size()) - 1;
    trace.expert_ids = {&expert, 1};
    trace.expert_weights = {&weight, 1};
    trace.router = {&router, 1};
    m_writer->addRow(trace, bytes);
    if (phase != Phase::kPrompt && m_turns.back().first_generated_position < 0) {
        m_turns.back().first_generated_position = trace.token.position;
    }
}

void ChatScript::ask(const std::string& text, std::int32_t prompt_tokens, ThinkingMode mode) {
    if (!m_turns.empty()) m_turns.back().history = m_writer->publish();
    m_writer = std::make_unique<HistoryWriter>(m_shape);
    m_position = 0;
    m_turns.emplace_back();
    m_turns.back().prompt_tokens = prompt_tokens;
    m_conversation.push_back({.role = Role::kUser,
                              .text = text,
                              .thinking = {},
                              .turn = static_cast<std::int32_t>(m_turns.size()) - 1,
                              .mode = mode});
    state = LaneState::kPrefill;
    for (std::int32_t i = 0; i < prompt_tokens; ++i) add("p", Phase::kPrompt, 0);
}

void ChatScript::openBlock() {
    state = LaneState::kThinking;
    add("<think>", Phase::kThinking, token_flag::kTag | token_flag::kSampled);
    facts().block_opened = true;
}

void ChatScript::think(const std::vector<std::string>& tokens) {
    for (const std::string& bytes : tokens) {
        add(bytes, Phase::kThinking, token_flag::kSampled);
        ++facts().thinking_tokens;
    }
}

void ChatScript::inject(const std::vector<std::string>& tokens) {
    for (const std::string& bytes : tokens) {
        add(bytes, Phase::kThinking, token_flag::kInjected);
        ++facts().injected_tokens;
    }
    facts().closed_by_budget = true;
}

void ChatScript::closeBlock() {
    add("</think>", Phase::kThinking, token_flag::kTag);
    facts().block_closed = true;
    facts().budget_at_end = settings.budget;
    state = LaneState::kAnswering;
}

void ChatScript::answer(const std::vector<std::string>& tokens, std::uint8_t flags) {
    state = LaneState::kAnswering;
    for (const std::string& bytes : tokens) {
        add(bytes, Phase::kAnswer, static_cast<std::uint8_t>(token_flag::kSampled | flags));
        ++facts().answer_tokens;
    }
}

void ChatScript::end(StopReason reason) {
    if (reason == StopReason::kEndOfTurn)
        add("<|im_end|>", Phase::kAnswer, token_flag::kSampled | token_flag::kEndOfTurn);
    facts().stop_reason = reason;
    facts().budget_at_end = settings.budget;
    state = LaneState::kFinished;
}

SnapshotPointer ChatScript::snapshot() {
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->serial = ++m_serial;
    const bool finished = state == LaneState::kFinished || state == LaneState::kIdle;
    snapshot->state = finished ? WorkbenchState::kReady : WorkbenchState::kGenerating;
    auto model = std::make_shared<ModelFacts>();
    model->name = "scripted";
    model->context_tokens = 4096;
    snapshot->model = model;
    snapshot->conversation = m_conversation;
    LaneSnapshot lane;
    lane.state = state;
    lane.settings = settings;
    lane.turns = m_turns;
    if (!lane.turns.empty()) lane.turns.back().settings = settings;
    lane.history = m_writer->publish();
    snapshot->lanes.push_back(std::move(lane));
    return snapshot;
}

HandFedBridge::HandFedBridge()
    : m_bridge(
          std::make_unique<WorkbenchBridge>(SnapshotSource{[](std::function<void()>) {}, [this] { return m_next; }})) {}

void HandFedBridge::show(SnapshotPointer snapshot) {
    m_next = std::move(snapshot);
    m_bridge->refresh();
}

std::vector<std::string> piecesOf(const std::string& text, std::size_t length) {
    std::vector<std::string> pieces;
    for (std::size_t start = 0; start < text.size(); start += length) pieces.push_back(text.substr(start, length));
    return pieces;
}

}  // namespace mixoscope::test
