#include "sessions/conversation.h"

#include <algorithm>
#include <ctime>
#include <exception>
#include <new>
#include <utility>

#include "engine/routing_policy.h"
#include "sessions/error_parts.h"
#include "sessions/recorded_conversation.h"
#include "sessions/ring_shape.h"
#include "sessions/session_name.h"
#include "sessions/snapshot_publisher.h"

namespace mixoscope {

namespace {

bool sameButSeed(SamplingSettings a, const SamplingSettings& b) {
    a.seed = b.seed;
    return a == b;
}

bool isPolicyOf(const std::string& policy, const Model& model) {
    try {
        parsePolicy(policy, model);
    } catch (const Error&) {
        return false;
    }
    return true;
}

SamplingSettings withSeed(SamplingSettings sampling, std::uint64_t seed) {
    sampling.seed = seed;
    return sampling;
}

void addToConversation(WorkbenchSnapshot& s, const TurnPlan& plan, int turn) {
    const ThinkingMode mode = plan.settings.mode;
    std::erase_if(s.conversation, [](const ConversationEntry& entry) { return entry.role == Role::kSystem; });
    if (plan.messages.front().role == Role::kSystem)
        s.conversation.insert(
            s.conversation.begin(),
            {.role = Role::kSystem, .text = plan.messages.front().content, .thinking = {}, .mode = mode});
    s.conversation.push_back(
        {.role = Role::kUser, .text = plan.messages.back().content, .thinking = {}, .turn = turn, .mode = mode});
    s.conversation.push_back({.role = Role::kAssistant, .text = {}, .thinking = {}, .turn = turn, .mode = mode});
}

}  // namespace

Conversation::Conversation(const WorkbenchOptions& options, CommandQueue& queue, Publish publish)
    : m_options(options),
      m_queue(queue),
      m_publish(std::move(publish)),
      m_recording(options.record && options.probes) {}

// --- any thread ------------------------------------------------------------------------------------------------------

void Conversation::describe(WorkbenchSnapshot& snapshot) const {
    snapshot.probes_cost = m_probes_cost;
    const std::lock_guard lock(m_mutex);
    if (m_recorder) {
        // No copy of the pointer: the recorder's own thread comes here and must never be its last owner.
        snapshot.recorder = m_recorder->status();
    } else {
        snapshot.recorder = {};
        snapshot.recorder.state = m_recording ? RecorderStatus::State::kWaiting : RecorderStatus::State::kOff;
    }
    snapshot.settings = m_settings;
    snapshot.policy_waits = m_policy_waits;
}

std::optional<ErrorParts> Conversation::setSettings(LaneSettings wanted) {
    std::optional<ErrorParts> problem;
    {
        const std::lock_guard lock(m_mutex);
        try {
            if (m_loaded) {
                followMode(wanted);
                if (wanted.policy != m_settings.policy) parsePolicy(wanted.policy, m_loaded->model);
            }
            const LaneSettings fitting = m_chat_slots > 0 ? fittingTheChat(wanted) : wanted;
            if (m_live != nullptr) m_live->requestSettings(m_live_lane, fitting);
            m_settings = std::move(wanted);
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
        }
    }
    m_publish([&](WorkbenchSnapshot& s) {
        if (problem) s.turn_error = problem;
    });
    return problem;
}

/// The chat's records keep their width: a policy that chooses more waits for the next conversation, and the policy that
/// the chat has stays. Call with the mutex held.
LaneSettings Conversation::fittingTheChat(LaneSettings wanted) {
    const std::int32_t slots = parsePolicy(wanted.policy, m_loaded->model.config)->maxSlots();
    if (slots <= m_chat_slots) {
        m_policy_waits.reset();
        m_chat_policy = wanted.policy;
        return wanted;
    }
    m_policy_waits = ErrorParts{.what = "This policy waits for the next conversation",
                                .where = "routing policy \"" + wanted.policy + "\"",
                                .expected = "at most " + std::to_string(m_chat_slots) +
                                            " experts a token, which the records of this conversation hold",
                                .found = "up to " + std::to_string(slots),
                                .advice = "Until then \"" + m_chat_policy + "\" goes on"};
    wanted.policy = m_chat_policy;
    return wanted;
}

/// Keeps to the modes that the model has; sampling follows the mode for as long as nobody has chosen another.
void Conversation::followMode(LaneSettings& wanted) const {
    wanted.mode = m_loaded->possibleMode(wanted.mode);
    if (wanted.mode == m_settings.mode || wanted.sampling != m_settings.sampling) return;
    if (sameButSeed(m_settings.sampling, m_loaded->sampling(m_settings.mode)))
        wanted.sampling = withSeed(m_loaded->sampling(wanted.mode), wanted.sampling.seed);
}

LaneSettings Conversation::settings() const {
    const std::lock_guard lock(m_mutex);
    return m_settings;
}

void Conversation::setSystemPrompt(std::string text) {
    const std::lock_guard lock(m_mutex);
    m_system_prompt = std::move(text);
    m_recorded_system.reset();
}

void Conversation::setRecording(bool on) {
    const std::lock_guard lock(m_mutex);
    m_recording = on && m_options.probes;
}

bool Conversation::wantsRecording() const {
    const std::lock_guard lock(m_mutex);
    return m_recording;
}

void Conversation::requestStop() {
    const std::lock_guard lock(m_mutex);
    if (m_live != nullptr) m_live->requestStop(m_live_lane);
}

void Conversation::answerNow() {
    const std::lock_guard lock(m_mutex);
    if (m_live != nullptr) m_live->requestAnswerNow(m_live_lane);
}

std::shared_ptr<Recorder> Conversation::recorder() const {
    const std::lock_guard lock(m_mutex);
    return m_recorder;
}

std::shared_ptr<LoadedModel> Conversation::loaded() const {
    const std::lock_guard lock(m_mutex);
    return m_loaded;
}

void Conversation::setLive(Generation* generation, LaneId lane) {
    const std::lock_guard lock(m_mutex);
    m_live = generation;
    m_live_lane = lane;
}

/// The chat's records hold this many selections; 0: none has begun, and any policy fits.
void Conversation::leaveRoom(std::int32_t slots) {
    const std::lock_guard lock(m_mutex);
    m_chat_slots = slots;
    m_policy_waits.reset();
}

// --- model and chat --------------------------------------------------------------------------------------------------

/// What was asked for before this model was there, as far as it has it.
LaneSettings Conversation::initialSettings(const LoadedModel& model) const {
    LaneSettings initial = settings();
    const SamplingSettings untouched = m_loaded ? m_loaded->sampling(initial.mode) : SamplingSettings{};
    initial.mode = model.possibleMode(initial.mode);
    if (sameButSeed(initial.sampling, untouched))
        initial.sampling = withSeed(model.sampling(initial.mode), initial.sampling.seed);
    // What was chosen for the model before may be no policy of this one.
    if (m_loaded && !isPolicyOf(initial.policy, model.model)) initial.policy = LaneSettings{}.policy;
    return initial;
}

void Conversation::adopt(const std::shared_ptr<LoadedModel>& model) {
    const LaneSettings initial = initialSettings(*model);
    std::shared_ptr<ForkedTurns> forked;
    std::unique_ptr<Chat> first = makeChat(model, initial, forked);
    model->facts.context_tokens = first->generation().contextTokens();
    close();
    {
        const std::lock_guard lock(m_mutex);
        m_settings = initial;
        m_loaded = model;
    }
    m_chat = std::move(first);
    m_forked = std::move(forked);
}

void Conversation::clear(WorkbenchSnapshot& snapshot) {
    snapshot.conversation.clear();
    snapshot.lanes.clear();
    snapshot.origins.clear();
    snapshot.forks.clear();
    snapshot.context_used = 0;
}

std::unique_ptr<Chat> Conversation::makeChat(const std::shared_ptr<LoadedModel>& model, const LaneSettings& settings,
                                             std::shared_ptr<ForkedTurns>& forked, std::int32_t slots) const {
    Chat::Options options;
    options.probes = m_options.probes;
    // A policy that selects more experts than the model's own needs wider records.
    options.slots = std::max<std::int32_t>(slots, parsePolicy(settings.policy, model->model.config)->maxSlots());
    const TraceShape shape = m_options.probes ? tracedShape(model->model.config, options.slots) : TraceShape{};
    forked = std::make_shared<ForkedTurns>(shape, model->model.expertBytes());
    options.publish = [this, forked](std::vector<LaneSnapshot> lanes) {
        std::vector<ForkedTurn> forks = forked->measure(lanes);
        m_publish([&](WorkbenchSnapshot& s) {
            putLanes(s, std::move(lanes));
            s.forks = std::move(forks);
        });
    };
    return std::make_unique<Chat>(model, options, settings);
}

void Conversation::close() {
    closeRecorder();
    m_chat.reset();
    leaveRoom(0);
    const std::lock_guard lock(m_mutex);
    m_recorded_system.reset();
}

void Conversation::restart() {
    if (!m_chat) return;
    const LaneSettings current = settings();
    std::optional<ErrorParts> problem;
    close();  // first: two conversations' caches need not fit into memory
    try {
        m_chat = makeChat(m_loaded, current, m_forked);
    } catch (const std::exception& exception) {
        problem = partsOf(exception);
    }
    m_publish([&](WorkbenchSnapshot& s) {
        clear(s);
        s.turn_error = problem;
    });
}

// --- turns -----------------------------------------------------------------------------------------------------------

void Conversation::send(const std::string& text) {
    underWay([&] {
        if (!m_chat) {
            if (!m_loaded) throw Error({.what = "No model is open", .advice = "Open a model first"});
            m_chat = makeChat(m_loaded, settings(), m_forked);
        }
        runTurn(text);
    });
}

void Conversation::resume(const RecordedConversation& recorded, bool stop_there, const std::function<void()>& begun) {
    adoptRecorded(recorded);
    begun();
    underWay([&] { resumeTurn(recorded, stop_there); });
}

void Conversation::underWay(const std::function<void()>& work) {
    m_publish([](WorkbenchSnapshot& s) {
        s.turn_error.reset();
        if (s.model) s.state = WorkbenchState::kGenerating;
    });
    std::optional<ErrorParts> problem;
    try {
        work();
    } catch (const std::exception& exception) {
        problem = partsOf(exception);
    }
    setLive(nullptr, 0);
    if (m_chat && m_chat->turns() == 0) leaveRoom(0);
    m_publish([&](WorkbenchSnapshot& s) {
        if (problem) s.turn_error = problem;
        s.state = s.model ? WorkbenchState::kReady : WorkbenchState::kNoModel;
    });
}

void Conversation::runTurn(const std::string& text) {
    const LaneSettings current = settings();
    if (m_chat->turns() == 0 && parsePolicy(current.policy, m_loaded->model.config)->maxSlots() > m_chat->shape().slots)
        m_chat = makeChat(m_loaded, current, m_forked);
    std::string system;
    LaneSettings fitting;
    {
        const std::lock_guard lock(m_mutex);
        system = m_recorded_system.value_or(m_system_prompt);
        m_chat_slots = m_chat->shape().slots;
        fitting = fittingTheChat(current);
    }
    const TurnPlan plan = m_chat->plan(system, text, fitting);
    const int turn = m_chat->turns();
    m_forked->setPrompt(turn, text);
    m_chat->startTurn(plan, wantsRecording() && !recorder());
    setLive(&m_chat->generation(), m_chat->lane());
    requestIfChanged(current);
    recordTurn(plan, turn);
    m_publish([&](WorkbenchSnapshot& s) {
        addToConversation(s, plan, turn);
        if (s.origins.empty()) s.origins.push_back(originOfChat());
    });
    completeTurn(turn, plan.settings.mode);
}

void Conversation::completeTurn(int turn, ThinkingMode mode) {
    std::exception_ptr failure;
    try {
        generate(m_chat->lane());
    } catch (...) {
        failure = std::current_exception();
    }
    setLive(nullptr, 0);
    const std::string answer = m_chat->finishTurn();
    if (const auto current_recorder = recorder()) current_recorder->addMessage(turn, Role::kAssistant, answer, mode);
    if (failure) std::rethrow_exception(failure);
}

/// An empty chat with the recording's settings in place of the one that there is, and the file for it.
void Conversation::adoptRecorded(const RecordedConversation& recorded) {
    const LaneSettings& settings = recorded.settings();
    close();
    m_publish(clear);
    m_chat = makeChat(m_loaded, settings, m_forked, recorded.model().shape.slots);
    const std::int32_t room = m_chat->generation().contextTokens();
    if (recorded.tokens() > room)
        throw Error({.what = "The conversation is too long for the context",
                     .where = recorded.file().string(),
                     .expected = "at most " + std::to_string(room) + " tokens",
                     .found = std::to_string(recorded.tokens())});
    const std::vector<Message> messages = recorded.messages();
    {
        const std::lock_guard lock(m_mutex);
        m_settings = settings;
        m_recorded_system = messages.empty() || messages.front().role != Role::kSystem ? "" : messages.front().content;
        m_chat_slots = m_chat->shape().slots;
        fittingTheChat(settings);
    }
    recordResumed(recorded);
    for (const RecordedConversation::Said& said : recorded.said()) {
        if (said.message.role == Role::kUser) m_forked->setPrompt(said.turn, said.message.content);
    }
    const auto turn = static_cast<int>(recorded.turnSettings().size()) - 1;
    const ThinkingMode mode = recorded.turnSettings().back().mode;
    m_publish([&](WorkbenchSnapshot& s) {
        for (const RecordedConversation::Said& said : recorded.said()) {
            s.conversation.push_back({.role = said.message.role,
                                      .text = said.message.content,
                                      .thinking = {},
                                      .turn = said.turn,
                                      .mode = said.mode});
        }
        s.conversation.push_back({.role = Role::kAssistant, .text = {}, .thinking = {}, .turn = turn, .mode = mode});
        s.origins.push_back(originOfChat());
        s.origins.back().settings = recorded.turnSettings().front();
    });
}

void Conversation::resumeTurn(const RecordedConversation& recorded, bool stop_there) {
    m_chat->resume(recorded, recorder().get());
    setLive(&m_chat->generation(), m_chat->lane());
    requestIfChanged(recorded.settings());
    if (stop_there) {
        Generation& generation = m_chat->generation();
        while (generation.status(m_chat->lane()).catching_up && !m_queue.mustStop()) generation.step();
        generation.requestStop(m_chat->lane());
    }
    completeTurn(static_cast<int>(recorded.turnSettings().size()) - 1, recorded.turnSettings().back().mode);
}

/// What was set between the plan and now did not reach the lane.
void Conversation::requestIfChanged(const LaneSettings& planned) {
    const std::lock_guard lock(m_mutex);
    if (m_settings != planned) m_live->requestSettings(m_live_lane, fittingTheChat(m_settings));
}

void Conversation::generate(LaneId lane) {
    Generation& generation = m_chat->generation();
    for (;;) {
        const CommandQueue::Clock::time_point start = CommandQueue::Clock::now();
        if (m_queue.mustStop()) generation.requestStop(lane);
        if (!generation.step()) return;
        const GenerationTimes times = generation.times();
        m_probes_cost = times.step_ms > 0.0 ? times.sink_ms / times.step_ms : -1.0;
        checkRecording();
        const LaneState state = generation.status(lane).state;
        if (state == LaneState::kThinking || state == LaneState::kAnswering) m_queue.keepPace(start);
    }
}

void Conversation::fork(const ForkRequest& request) {
    std::optional<ErrorParts> problem;
    bool begun = false;
    try {
        if (!m_chat || m_chat->turns() == 0)
            throw Error({.what = "There is no turn that could be forked", .advice = "Send a message first"});
        const LaneOrigin origin = m_chat->fork(request);
        begun = true;
        m_forked->add(origin);
        if (const auto current = recorder()) current->addLane(origin);
        m_publish([&](WorkbenchSnapshot& s) {
            s.origins.push_back(origin);
            s.fork_error.reset();
            ++s.forks_asked;
        });
        setLive(&m_chat->generation(), origin.lane);
        generate(origin.lane);
        m_chat->catchUp();
    } catch (const std::exception& exception) {
        problem = partsOf(exception);
    }
    setLive(nullptr, 0);
    if (!problem) return;
    m_publish([&](WorkbenchSnapshot& s) {
        s.fork_error = problem;
        if (!begun) ++s.forks_asked;
    });
}

// --- recording -------------------------------------------------------------------------------------------------------

LaneOrigin Conversation::originOfChat() const {
    LaneOrigin origin;
    origin.lane = m_chat->lane();
    origin.settings = settings();
    return origin;
}

void Conversation::recordTurn(const TurnPlan& plan, int turn) {
    std::shared_ptr<Recorder> current = recorder();
    if (!wantsRecording()) return;
    const bool first = current == nullptr;
    if (first) {
        current = startRecording(plan.messages.back().content, {{"title", titleOf(plan.messages.back().content)}});
        current->addLane(originOfChat());
        const std::lock_guard lock(m_mutex);
        m_recorder = current;
    }
    // A recording that begins later holds the conversation so far, as the prompt does.
    int message_turn = first ? 0 : turn;
    for (std::size_t i = first ? 0 : plan.messages.size() - 1; i < plan.messages.size(); ++i) {
        const Message& message = plan.messages[i];
        current->addMessage(message_turn, message.role, message.content, plan.settings.mode);
        if (message.role == Role::kAssistant) ++message_turn;
    }
    current->addTurnSettings(turn, m_chat->lane(), plan.settings);
}

void Conversation::recordResumed(const RecordedConversation& recorded) {
    if (!wantsRecording()) return;
    const std::string title = recorded.title();
    const std::shared_ptr<Recorder> current =
        startRecording(recorded.said().empty() ? title : recorded.said().back().message.content,
                       {{"title", title},
                        {"continued_from", recorded.file().string()},
                        {"continued_at_step", std::to_string(recorded.step())}});
    LaneOrigin origin = originOfChat();
    origin.settings = recorded.turnSettings().front();
    current->addLane(origin);
    for (const RecordedConversation::Said& said : recorded.said())
        current->addMessage(said.turn, said.message.role, said.message.content, said.mode);
    int turn = 0;
    for (const LaneSettings& settings : recorded.turnSettings())
        current->addTurnSettings(turn++, m_chat->lane(), settings);
    const std::lock_guard lock(m_mutex);
    m_recorder = current;
}

std::shared_ptr<Recorder> Conversation::startRecording(const std::string& question,
                                                       std::map<std::string, std::string> metadata) {
    const std::time_t now = std::time(nullptr);
    RecordingOptions recording;
    if (!m_session_file_used && !m_options.session_file.empty())
        recording.file = m_options.session_file;
    else
        recording.file = newSessionPath(m_options.session_directory, question, now);
    m_session_file_used = true;
    const ModelFacts& facts = m_loaded->facts;
    recording.metadata = {{"created_utc", utcTime(now)},
                          {"backend", facts.backend},
                          {"model_description", facts.description},
                          {"context_tokens", std::to_string(facts.context_tokens)},
                          {"prefill_chunk", std::to_string(m_chat->generation().prefillChunk())}};
    recording.metadata.merge(metadata);
    recording.status_changed = [this] { m_publish([](WorkbenchSnapshot&) {}); };
    return m_chat->record(std::move(recording));
}

void Conversation::checkRecording() {
    {
        const std::lock_guard lock(m_mutex);
        if (m_recording || !m_recorder) return;
    }
    closeRecorder();
    m_publish([](WorkbenchSnapshot&) {});
}

/// Waits until the file is complete; its thread may publish meanwhile, so no lock is held.
void Conversation::closeRecorder() {
    std::shared_ptr<Recorder> closing;
    {
        const std::lock_guard lock(m_mutex);
        closing.swap(m_recorder);
    }
    closing.reset();
}

}  // namespace mixoscope
