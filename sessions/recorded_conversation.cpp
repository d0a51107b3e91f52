#include "sessions/recorded_conversation.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "engine/lane_requests.h"
#include "engine/routing_policy.h"
#include "engine/settings_json.h"
#include "sessions/session_replay.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kRecordsAtOnce = 4096;
constexpr const char* kLacksTokens = "The recording lacks tokens that the model had read";

/// The lane that is the conversation; a session that tells of no lanes has no other.
std::optional<LaneId> conversationOf(const std::vector<LaneOrigin>& lanes) {
    if (lanes.empty()) return 0;
    const auto chat = std::ranges::find(lanes, LaneRole::kChat, &LaneOrigin::role);
    return chat == lanes.end() ? std::nullopt : std::optional(chat->lane);
}

/// Whether a turn with this prompt may think: the template of a turn that may not ends with an empty block.
bool leavesFreeToThink(const Model& model, ThinkingMode mode, std::span<const TokenTrace> prompt) {
    if (model.thinking_support == ThinkingSupport::kAlways) return true;
    if (model.thinking_support == ThinkingSupport::kNever || mode == ThinkingMode::kNoThink) return false;
    const ThinkingTokens tags = thinkingTokens(model);
    if (!tags.open || !tags.close) return true;
    const auto skipBlanks = [&] {
        while (!prompt.empty() && model.tokenizer->bytes(prompt.back().id).find_first_not_of('\n') == std::string::npos)
            prompt = prompt.first(prompt.size() - 1);
    };
    skipBlanks();
    if (prompt.empty() || prompt.back().id != *tags.close) return true;
    prompt = prompt.first(prompt.size() - 1);
    skipBlanks();
    return prompt.empty() || prompt.back().id != *tags.open;
}

}  // namespace

RecordedConversation::RecordedConversation(const std::filesystem::path& file, std::int64_t step,
                                           std::function<bool()> cancelled)
    : m_file(file), m_step(step), m_reader(file, cancelled), m_model(m_reader.model()) {
    if (const std::string engine = m_reader.metadata("imported_from"); !engine.empty())
        refuse({.what = "Imported routing cannot be continued",
                .where = m_file.string(),
                .expected = "a session with settings",
                .found = "one imported from " + engine});
    const std::optional<LaneId> lane = conversationOf(m_reader.lanes());
    if (!lane) refuse({.what = "A comparison cannot be continued", .expected = "the session of a conversation"});
    m_lane = *lane;
    readPlace(std::move(cancelled));
    readWords(file);
    readRecords();
}

void RecordedConversation::refuse(ErrorParts parts) const {
    if (parts.where.empty()) parts.where = m_file.string() + ", step " + std::to_string(m_step);
    throw Error(std::move(parts));
}

void RecordedConversation::readPlace(std::function<bool()> cancelled) {
    SessionReplay replay(m_file, std::move(cancelled));
    while (replay.readMore(kRecordsAtOnce)) {
    }
    const std::int64_t count = replay.index()->count();
    if (m_step < 0) m_step = count;
    if (m_step < 1 || m_step > count)
        refuse({.what = "The recording has no such step",
                .where = m_file.string(),
                .expected = count == 0 ? "a recording with tokens" : "1 to " + std::to_string(count),
                .found = std::to_string(m_step)});
    const WorkbenchSnapshot whole = replay.snapshot();
    replay.seek(m_step);
    m_end_serial = replay.index()->step(m_step).end_serial;
    const WorkbenchSnapshot shown = replay.snapshot();
    const LaneSnapshot* lane = findLane(shown.lanes, m_lane);
    if (lane == nullptr || lane->turns.empty())
        refuse({.what = "Nothing of the conversation was computed up to this step"});
    const TurnFacts& turn = lane->turns.back();
    m_settings = lane->settings;
    m_prompt_tokens = turn.prompt_tokens;
    if (lane->state == LaneState::kFinished) m_ended = turn.stop_reason;

    // A prompt that was being computed is whole further on.
    const LaneSnapshot* later = findLane(whole.lanes, m_lane);
    const bool in_prompt = lane->history.tokenCount() < turn.prompt_tokens;
    const History& history = in_prompt ? later->historyOfTurn(lane->turns.size() - 1) : lane->history;
    const std::int32_t tokens = in_prompt ? turn.prompt_tokens : history.tokenCount();
    const bool began_later = turn.first_position > 0 && history.tokenCount() > 0 && history.token(0).trace.id < 0;
    if (began_later)
        refuse({.what = "The recording began after its conversation, so it lacks the beginning of what the model read",
                .expected = "the tokens from position 0 on",
                .found = "those from " + std::to_string(turn.first_position) + " on"});
    if (tokens > replay.rowsRead() + 1)  // also of a damaged file, which may say that it has any number
        refuse({.what = kLacksTokens,
                .expected = "a row for each of " + std::to_string(tokens) + " tokens but the last",
                .found = std::to_string(replay.rowsRead()) + " rows"});
    for (std::int32_t position = 0; position < std::min(tokens, history.tokenCount()); ++position)
        m_tokens.push_back(history.token(position).trace);
    if (m_tokens.empty() || m_prompt_tokens < 1 || std::ssize(m_tokens) < tokens ||
        std::ranges::any_of(m_tokens, [](const TokenTrace& token) { return token.id < 0; }))
        refuse({.what = kLacksTokens,
                .expected = std::to_string(std::max(tokens, m_prompt_tokens)) + " tokens",
                .found = std::to_string(
                    std::ranges::count_if(m_tokens, [](const TokenTrace& token) { return token.id >= 0; }))});
}

void RecordedConversation::readWords(const std::filesystem::path& file) {
    const std::int32_t turn = m_tokens.back().turn;
    m_reader.turnSettings([&](int of_turn, LaneId lane, const std::string& json) {
        if (lane == m_lane && of_turn <= turn && of_turn == static_cast<int>(m_turn_settings.size()))
            m_turn_settings.push_back(settingsFromJson(json, file.string()));
    });
    if (m_turn_settings.empty() || std::ssize(m_turn_settings) != turn + 1)
        refuse({.what = "The recording began after its conversation, so it lacks earlier turns",
                .expected = std::to_string(turn + 1) + " turns",
                .found = std::to_string(m_turn_settings.size())});
    m_reader.messages([&](int of_turn, int role, const std::string& text, int mode) {
        const auto who = static_cast<Role>(role);
        if (of_turn > turn || (of_turn == turn && who == Role::kAssistant)) return;
        m_said.push_back(
            {.turn = of_turn, .message = {.role = who, .content = text}, .mode = static_cast<ThinkingMode>(mode)});
    });
}

/// Which rows the turn's sequence has, in which steps and under which policies they were computed.
void RecordedConversation::readRecords() {
    std::string policy = m_turn_settings.front().policy;
    bool gap = false;
    m_reader.replay(
        0, m_end_serial,
        [&](const StepTrace& trace) {
            if (trace.lane != m_lane) return;
            const auto position = static_cast<std::size_t>(trace.token.position);
            gap = gap || position > m_rows.size();
            if (gap) return;
            m_rows.resize(position);
            m_rows.push_back({.serial = trace.serial, .step = trace.step});
        },
        [&](const LaneEvent& event) {
            if (event.lane != m_lane) return;
            if (event.kind == LaneEventKind::kTurnStarted) m_policies = {{.first = 0, .policy = policy}};
            if (event.kind != LaneEventKind::kPolicyChanged) return;
            policy = event.text;
            while (!m_policies.empty() && m_policies.back().first >= event.position) m_policies.pop_back();
            m_policies.push_back({.first = m_policies.empty() ? 0 : event.position, .policy = policy});
        });
    if (gap || m_policies.empty() || m_rows.empty() || m_rows.size() > m_tokens.size()) refuse({.what = kLacksTokens});
}

std::vector<Message> RecordedConversation::messages() const {
    std::vector<Message> messages;
    for (const Said& said : m_said) messages.push_back(said.message);
    return messages;
}

void RecordedConversation::checkFits(const Model& model) const {
    const TraceShape& shape = m_model.shape;
    const auto layers = static_cast<std::int32_t>(model.config.moeLayerCount());
    const auto experts = static_cast<std::int32_t>(layers == 0 ? 0 : model.config.num_experts);
    const auto describe = [](std::int32_t of_layers, std::int32_t of_experts) {
        return std::to_string(of_layers) + " MoE layers of " + std::to_string(of_experts) + " experts";
    };
    if (shape.moe_layers != layers || shape.experts != experts || m_model.moe_layers != model.config.moeLayers())
        refuse({.what = "The model has another shape than the one recorded, so the conversation cannot go on with it",
                .where = model.name,
                .expected = describe(shape.moe_layers, shape.experts),
                .found = describe(layers, experts)});
    for (const TokenTrace& token : m_tokens) {
        if (token.id >= model.config.vocab_size)
            refuse({.what = "The recording holds a token that the model does not know",
                    .where = model.name,
                    .expected = "ids below " + std::to_string(model.config.vocab_size),
                    .found = std::to_string(token.id)});
    }
    for (const RecordedTurn::PolicyFrom& policy : m_policies) parsePolicy(policy.policy, model);
}

bool RecordedConversation::goesOn(const LaneSettings& settings, std::int32_t context_tokens) const {
    if ((m_tokens.back().flags & token_flag::kEndOfTurn) != 0) return false;
    const auto generated = static_cast<std::int32_t>(m_tokens.size()) - m_prompt_tokens;
    return std::ssize(m_tokens) < context_tokens && (settings.max_tokens == 0 || generated < settings.max_tokens);
}

RecordedTurn RecordedConversation::copyTo(TraceSink& sink, LaneId lane, const Model& model, bool goes_on,
                                          const std::function<void()>& keep_up) const {
    RecordedTurn turn;
    turn.tokens = m_tokens;
    turn.prompt_tokens = m_prompt_tokens;
    turn.policies = m_policies;
    turn.settings = m_settings;
    turn.ended = goes_on ? StopReason::kNone : m_ended;
    turn.thinking = leavesFreeToThink(model, m_turn_settings.back().mode,
                                      std::span(m_tokens).first(static_cast<std::size_t>(m_prompt_tokens)));
    std::size_t rows = m_rows.size();
    std::int64_t end = m_end_serial;
    // Where nothing was chosen after the last step, it is the one that goes on.
    if (goes_on && rows == m_tokens.size()) {
        const Step last = m_rows.back().step;
        while (rows > 0 && m_rows[rows - 1].step == last) --rows;
        end = m_rows[rows].serial;
    }
    for (std::size_t row = 0; row < rows; ++row) turn.steps.push_back(m_rows[row].step);

    std::int64_t first = -1;
    std::int64_t left_out = 0;
    // Numbers that the recorder lost stay missing.
    const auto numberOf = [&](std::int64_t serial) {
        if (first < 0) first = serial;
        return serial - first - left_out;
    };
    m_reader.replay(
        0, end,
        [&](const StepTrace& recorded) {
            StepTrace trace = recorded;
            trace.serial = numberOf(recorded.serial);
            if (recorded.lane != m_lane) {
                ++left_out;
                return;
            }
            trace.lane = lane;
            sink.onRow(trace);
            turn.next_serial = trace.serial + 1;
            turn.next_step = trace.step + 1;
            turn.time_us = std::max(turn.time_us, trace.step_end_us);
            keep_up();
        },
        [&](const LaneEvent& recorded) {
            LaneEvent event = recorded;
            event.serial = numberOf(recorded.serial);
            const bool ends = event.kind == LaneEventKind::kStopped || event.kind == LaneEventKind::kFinished;
            const bool of_turn = recorded.serial > m_rows.back().serial;
            if (recorded.lane != m_lane || (goes_on && ends && of_turn)) {
                ++left_out;
                return;
            }
            event.lane = lane;
            sink.onEvent(event);
            turn.next_serial = event.serial + 1;
            turn.time_us = std::max(turn.time_us, event.time_us);
            keep_up();
        });
    sink.onStepEnd(turn.next_step - 1);
    return turn;
}

}  // namespace mixoscope
