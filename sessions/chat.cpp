#include "sessions/chat.h"

#include <algorithm>
#include <utility>

#include "sessions/fork_change.h"
#include "sessions/recorded_conversation.h"
#include "sessions/ring_shape.h"

namespace mixoscope {

namespace {

/// The conversation, its forks, and lanes that only compute for a moment.
constexpr std::int32_t kMostLanes = 24;
constexpr std::int32_t kLanesAtOnce = 8;
constexpr std::int32_t kRowsAtOnce = 128;

/// An answer as the chat template expects it in the history: a block that was never closed leaves nothing to say.
std::string historyText(const std::string& answer, ThinkingSupport support) {
    const bool closed = answer.find("</think>") != std::string::npos;
    const bool opened = support == ThinkingSupport::kAlways || answer.find("<think>") != std::string::npos;
    return opened && !closed ? std::string() : answer;
}

}  // namespace

void TokenSink::onRow(const StepTrace& trace) {
    StepTrace token = trace;
    token.expert_ids = {};
    token.expert_weights = {};
    token.router = {};
    token.distributions = {};
    m_next.onRow(token);
}

Chat::Chat(std::shared_ptr<LoadedModel> loaded, const Options& options, const LaneSettings& settings)
    : m_loaded(std::move(loaded)) {
    const Model& model = m_loaded->model;
    const TraceShape shape = options.probes ? tracedShape(model.config, options.slots) : TraceShape{};
    m_ring = std::make_shared<TraceRing>(shape, ringSlots(shape));
    if (!options.probes) m_token_sink = std::make_unique<TokenSink>(*m_ring);
    const GenerationLimits limits{
        .max_lanes = kMostLanes, .lanes_per_step = kLanesAtOnce, .rows_per_step = kRowsAtOnce, .slots = shape.slots};
    TraceSink* const sink = m_token_sink ? static_cast<TraceSink*>(m_token_sink.get()) : m_ring.get();
    m_generation = std::make_unique<Generation>(model, *m_loaded->backend, limits, sink);
    m_lane = m_generation->addLane(settings);
    auto aggregates = std::make_unique<Aggregates>(
        shape, model.config.norm_topk_prob, [keep = m_loaded](TokenId id) { return keep->tokenBytes(id); },
        static_cast<std::int32_t>(model.config.num_experts_per_tok));
    aggregates->setSettings(m_lane, settings);
    m_probes = std::make_unique<ProbeThread>(m_ring, std::move(aggregates), options.publish);
}

TurnPlan Chat::plan(const std::string& system_prompt, const std::string& user_text,
                    const LaneSettings& settings) const {
    std::vector<Message> messages = m_messages;
    std::erase_if(messages, [](const Message& message) { return message.role == Role::kSystem; });
    if (!system_prompt.empty()) messages.insert(messages.begin(), {Role::kSystem, system_prompt});
    messages.push_back({Role::kUser, user_text});
    return planTurn(*m_loaded, std::move(messages), settings);
}

void Chat::startTurn(const TurnPlan& plan, bool keep_reader) {
    const std::vector<TokenId> prompt = promptOf(*m_loaded, plan);
    std::optional<TraceRing::Reader> reader;
    if (keep_reader) reader = m_ring->makeReader();
    // The next turn's prompt drops what forks go on from.
    for (const LaneId fork : std::exchange(m_forks, {})) m_generation->removeLane(fork);
    m_generation->requestSettings(m_lane, plan.settings);
    m_generation->startTurn(m_lane, prompt, plan.thinking);
    m_turn_reader = std::move(reader);
    m_messages = plan.messages;
    m_prompt_tokens = prompt.size();
    ++m_turns;
}

void Chat::resume(const RecordedConversation& recorded, Recorder* recorder) {
    m_probes->setSettings(m_lane, recorded.turnSettings().front());
    const bool goes_on = recorded.goesOn(m_generation->settings(m_lane), m_generation->contextTokens());
    // Nobody reads as fast as a file can be copied.
    std::size_t given = 0;
    const auto keep_up = [&] {
        if (++given % (m_ring->capacity() / 2) != 0) return;
        m_probes->catchUp();
        if (recorder != nullptr) recorder->flush();
    };
    TraceSink& sink = m_token_sink ? static_cast<TraceSink&>(*m_token_sink) : *m_ring;
    const RecordedTurn turn = recorded.copyTo(sink, m_lane, m_loaded->model, goes_on, keep_up);
    m_generation->resumeTurn(m_lane, turn);
    m_messages = recorded.messages();
    for (Message& message : m_messages) {
        if (message.role == Role::kAssistant)
            message.content = historyText(message.content, m_loaded->model.thinking_support);
    }
    m_prompt_tokens = static_cast<std::size_t>(turn.prompt_tokens);
    m_turns = static_cast<int>(recorded.turnSettings().size());
}

LaneOrigin Chat::fork(const ForkRequest& request) {
    LaneOrigin origin = forkAt(*m_generation, request, *m_loaded, -1);
    m_forks.push_back(origin.lane);
    return origin;
}

void Chat::catchUp() {
    m_probes->catchUp();
}

std::string Chat::finishTurn() {
    m_probes->catchUp();
    m_turn_reader.reset();
    const Model& model = m_loaded->model;
    std::string answer = answerOf(model, m_generation->tokens(m_lane), m_prompt_tokens);
    m_messages.push_back({Role::kAssistant, historyText(answer, model.thinking_support)});
    return answer;
}

std::shared_ptr<Recorder> Chat::record(RecordingOptions options) {
    options.model = m_loaded->identity;
    options.model.shape = m_ring->shape();
    options.token_bytes = [keep = m_loaded](TokenId id) { return keep->tokenBytes(id); };
    options.expert_bytes = m_loaded->model.expertBytes();
    return std::make_shared<Recorder>(std::move(options), m_ring,
                                      m_turn_reader ? *m_turn_reader : m_ring->makeReader());
}

}  // namespace mixoscope
