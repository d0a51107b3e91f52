#include "sessions/chat.h"

#include <algorithm>
#include <utility>

namespace mixoscope {

namespace {

constexpr std::size_t kRingBytes = std::size_t{64} << 20;
constexpr std::size_t kMostRingSlots = 16384;
constexpr std::size_t kFewestRingSlots = 1024;

std::size_t ringSlots(const TraceShape& shape) {
    return std::clamp(kRingBytes / TraceRing::slotBytes(shape), kFewestRingSlots, kMostRingSlots);
}

/// The shape that a model's traces have, known before the generation that needs the ring as its sink.
TraceShape shapeOf(const ModelConfig& config, const Chat::Options& options) {
    if (!options.probes) return {};
    TraceShape shape;
    shape.moe_layers = static_cast<std::int32_t>(config.moeLayerCount());
    if (shape.moe_layers == 0) return shape;
    shape.slots = std::max(options.slots, static_cast<std::int32_t>(config.num_experts_per_tok));
    shape.experts = static_cast<std::int32_t>(config.num_experts);
    return shape;
}

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
    const TraceShape shape = shapeOf(model.config, options);
    m_ring = std::make_shared<TraceRing>(shape, ringSlots(shape));
    if (!options.probes) m_token_sink = std::make_unique<TokenSink>(*m_ring);
    const GenerationLimits limits{.max_lanes = 1, .slots = shape.slots};
    TraceSink* const sink = m_token_sink ? static_cast<TraceSink*>(m_token_sink.get()) : m_ring.get();
    m_generation = std::make_unique<Generation>(model, *m_loaded->backend, limits, sink);
    m_lane = m_generation->addLane(settings);
    auto aggregates = std::make_unique<Aggregates>(
        shape, model.config.norm_topk_prob, [keep = m_loaded](TokenId id) { return keep->tokenBytes(id); },
        static_cast<std::int32_t>(model.config.num_experts_per_tok));
    aggregates->setSettings(m_lane, settings);
    m_probes = std::make_unique<ProbeThread>(m_ring, std::move(aggregates), options.publish);
}

Chat::TurnPlan Chat::plan(const std::string& system_prompt, const std::string& user_text,
                          const LaneSettings& settings) const {
    TurnPlan plan{.messages = m_messages, .settings = settings};
    std::erase_if(plan.messages, [](const Message& message) { return message.role == Role::kSystem; });
    if (!system_prompt.empty()) plan.messages.insert(plan.messages.begin(), {Role::kSystem, system_prompt});
    plan.messages.push_back({Role::kUser, user_text});

    plan.settings.mode = m_loaded->possibleMode(settings.mode);
    const bool resolved = resolveThinking(plan.settings.mode, plan.messages);
    const ThinkingSupport support = m_loaded->model.thinking_support;
    // A budget of 0 is not thinking, token for token; a model that always thinks gets its block closed at once instead.
    plan.thinking = support == ThinkingSupport::kAlways || (resolved && settings.budget != 0);
    const ThinkingMode resolved_mode = resolved ? ThinkingMode::kThink : ThinkingMode::kNoThink;
    if (plan.settings.mode == ThinkingMode::kAuto) {
        SamplingSettings defaults = m_loaded->sampling(ThinkingMode::kAuto);
        defaults.seed = settings.sampling.seed;
        if (settings.sampling == defaults) {
            plan.settings.sampling = m_loaded->sampling(resolved_mode);
            plan.settings.sampling.seed = settings.sampling.seed;
        }
    }
    return plan;
}

void Chat::startTurn(const TurnPlan& plan, bool keep_reader) {
    const Model& model = m_loaded->model;
    if (!model.tokenizer)
        throw Error({.what = "This model has no tokenizer, so it cannot chat",
                     .where = model.name,
                     .expected = "a model directory with tokenizer.json"});
    const std::string text = renderChat(plan.messages, plan.thinking, model.thinking_support);
    const std::vector<TokenId> prompt = model.tokenizer->encode(text);
    std::optional<TraceRing::Reader> reader;
    if (keep_reader) reader = m_ring->makeReader();
    m_generation->requestSettings(m_lane, plan.settings);
    m_generation->startTurn(m_lane, prompt, plan.thinking);
    m_turn_reader = std::move(reader);
    m_messages = plan.messages;
    m_prompt_tokens = prompt.size();
    ++m_turns;
}

std::string Chat::finishTurn() {
    m_probes->catchUp();
    m_turn_reader.reset();
    const Model& model = m_loaded->model;
    std::vector<TokenId> tokens = m_generation->tokens(m_lane);
    tokens.erase(tokens.begin(),
                 tokens.begin() + static_cast<std::ptrdiff_t>(std::min(m_prompt_tokens, tokens.size())));
    const std::vector<TokenId>& ends = model.generation_config.eos_token_ids;
    if (!tokens.empty() && std::find(ends.begin(), ends.end(), tokens.back()) != ends.end()) tokens.pop_back();
    StreamingDecoder decoder;
    std::string answer = decoder.push(model.tokenizer->decode(tokens));
    answer += decoder.finish();
    m_messages.push_back({Role::kAssistant, historyText(answer, model.thinking_support)});
    return answer;
}

std::shared_ptr<Recorder> Chat::record(RecordingOptions options) {
    options.model = m_loaded->identity;
    options.model.shape = m_ring->shape();
    options.token_bytes = [keep = m_loaded](TokenId id) { return keep->tokenBytes(id); };
    return std::make_shared<Recorder>(std::move(options), m_ring,
                                      m_turn_reader ? *m_turn_reader : m_ring->makeReader());
}

}  // namespace mixoscope
