#include "app/commands/turn_recording.h"

#include <ctime>

#include "engine/error.h"
#include "engine/forward.h"
#include "sessions/session_name.h"

namespace mixoscope {

namespace {

constexpr std::size_t kRingSlots = 4096;
}  // namespace

void refuseExisting(const std::filesystem::path& file) {
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
        throw Error({.what = "This file exists already, and a session is never written over", .where = file.string()});
    }
}

TurnRecording::TurnRecording(std::shared_ptr<LoadedModel> loaded, const std::filesystem::path& file, std::int32_t slots,
                             const std::string& title)
    : m_ring(std::make_shared<TraceRing>(traceShapeOf(loaded->model.config, slots, false), kRingSlots)),
      m_reader(m_ring->makeReader()),
      m_pace(m_ring->makeReader()) {
    refuseExisting(file);
    m_options.file = file;
    m_options.model = loaded->identity;
    m_options.model.shape = m_ring->shape();
    m_options.metadata = {{"title", titleOf(title)},
                          {"created_utc", utcTime(std::time(nullptr))},
                          {"backend", loaded->facts.backend},
                          {"model_description", loaded->facts.description}};
    m_options.token_bytes = [loaded](TokenId id) { return loaded->tokenBytes(id); };
}

void TurnRecording::begin(std::span<const Message> messages, const LaneSettings& settings, LaneId lane,
                          const Generation& generation) {
    m_options.metadata["context_tokens"] = std::to_string(generation.contextTokens());
    m_options.metadata["prefill_chunk"] = std::to_string(generation.prefillChunk());
    m_recorder = std::make_unique<Recorder>(std::move(m_options), m_ring, m_reader);
    m_has_messages = !messages.empty();
    m_mode = settings.mode;
    for (const Message& message : messages) m_recorder->addMessage(0, message.role, message.content, settings.mode);
    m_recorder->addTurnSettings(0, lane, settings);
}

void TurnRecording::begin(const RecordedConversation& recorded, LaneId lane, const Generation& generation) {
    m_options.metadata["context_tokens"] = std::to_string(generation.contextTokens());
    m_options.metadata["prefill_chunk"] = std::to_string(generation.prefillChunk());
    m_options.metadata["continued_from"] = recorded.file().string();
    m_options.metadata["continued_at_step"] = std::to_string(recorded.step());
    m_recorder = std::make_unique<Recorder>(std::move(m_options), m_ring, m_reader);
    m_has_messages = !recorded.said().empty();
    m_turn = static_cast<int>(recorded.turnSettings().size()) - 1;
    m_mode = recorded.turnSettings().back().mode;
    for (const RecordedConversation::Said& said : recorded.said())
        m_recorder->addMessage(said.turn, said.message.role, said.message.content, said.mode);
    for (int turn = 0; turn <= m_turn; ++turn)
        m_recorder->addTurnSettings(turn, lane, recorded.turnSettings()[static_cast<std::size_t>(turn)]);
}

void TurnRecording::keepUp() {
    if (m_pace.backlog() < m_ring->capacity() / 2) return;
    m_recorder->flush();
    m_pace.drain({.row = [](const StepTrace&) {}, .event = [](const LaneEvent&) {}});
}

void TurnRecording::close(const std::string& answer) {
    if (m_has_messages) m_recorder->addMessage(m_turn, Role::kAssistant, answer, m_mode);
    if (m_recorder->flush()) return;
    const RecorderStatus status = m_recorder->status();
    throw Error(status.error.value_or(ErrorParts{.what = "The turn could not be recorded"}));
}

}  // namespace mixoscope
