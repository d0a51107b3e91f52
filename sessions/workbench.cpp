#include "sessions/workbench.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "engine/routing_policy.h"
#include "sessions/attribution.h"
#include "sessions/chat.h"
#include "sessions/comparison_runner.h"
#include "sessions/session_list.h"
#include "sessions/session_name.h"
#include "sessions/snapshot_publisher.h"

namespace mixoscope {

namespace {

using Clock = std::chrono::steady_clock;

struct OpenModel {
    std::string name;
};
struct Send {
    std::string text;
};
struct NewConversation {};
struct CheckRecording {};  // recording was switched on or off
struct Fork {
    ForkRequest request;
};
struct Attribute {
    LaneId lane = 0;
    std::int32_t position = 0;
    bool in_comparison = false;
};
struct Compare {
    std::function<void(Comparison&)> start;  // a pass over the run that there is; empty: a run
    std::vector<Message> messages = {};      // of a run
    bool then_forced = false;
};
struct RetireComparison {};  // lanes were set anew
using Command =
    std::variant<OpenModel, Send, NewConversation, CheckRecording, Fork, Attribute, Compare, RetireComparison>;

/// What stop() takes out of the queue.
bool isWork(const Command& command) {
    return std::holds_alternative<Send>(command) || std::holds_alternative<Fork>(command) ||
           std::holds_alternative<Attribute>(command) || std::holds_alternative<Compare>(command);
}

/// Thrown through the loading of a model that nobody waits for any more.
struct LoadingCancelled {};

ErrorParts partsOf(const std::exception& exception) {
    if (const auto* error = dynamic_cast<const Error*>(&exception)) return error->parts();
    if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) return {.what = "Not enough memory"};
    return {.what = exception.what()};
}

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

}  // namespace

struct Workbench::Impl {
    explicit Impl(WorkbenchOptions workbench_options)
        : options(std::move(workbench_options)), recording(options.record && options.probes) {
        publish([](WorkbenchSnapshot&) {});
        engine = std::jthread([this](std::stop_token stop) { run(stop); });
    }

    ~Impl() {
        engine.request_stop();
        {
            const std::lock_guard lock(mutex);
            if (live != nullptr) live->requestStop(live_lane);
            changed.notify_all();
        }
        comparison.stop();
        engine.join();
    }

    // --- shared by all threads
    // -----------------------------------------------------------------------------------------
    /// Publishes a change together with what the snapshot shows of the settings and the recorder, which are looked at
    /// within the change: else an older look of another thread could be published after a newer one. Call it without
    /// `mutex`, which is taken inside the publisher's lock.
    void publish(const std::function<void(WorkbenchSnapshot&)>& change) {
        publisher.change([&](WorkbenchSnapshot& s) {
            change(s);
            s.comparison_recorder = comparison.recorderStatus();
            s.probes_cost = probes_cost;
            const std::lock_guard lock(mutex);
            if (recorder) {
                // No copy of the pointer: the recorder's own thread comes here and must never be its last owner.
                s.recorder = recorder->status();
            } else {
                s.recorder = {};
                s.recorder.state = recording ? RecorderStatus::State::kWaiting : RecorderStatus::State::kOff;
            }
            s.settings = settings;
            s.policy_waits = policy_waits;
        });
    }

    // --- commands, on the caller's thread
    // ------------------------------------------------------------------------------
    void enqueue(Command command) {
        const std::lock_guard lock(mutex);
        // The newest model wins, and what was to happen with the older one has lost its object.
        if (std::holds_alternative<OpenModel>(command)) queue.clear();
        queue.push_back(std::move(command));
        changed.notify_all();
    }

    std::optional<ErrorParts> setSettings(LaneSettings wanted) {
        std::optional<ErrorParts> problem;
        {
            const std::lock_guard lock(mutex);
            try {
                if (loaded) {
                    followMode(wanted);
                    if (wanted.policy != settings.policy) parsePolicy(wanted.policy, loaded->model);
                }
                const LaneSettings fitting = chat_slots > 0 ? fittingTheChat(wanted) : wanted;
                if (live != nullptr) live->requestSettings(live_lane, fitting);
                settings = std::move(wanted);
            } catch (const std::exception& exception) {
                problem = partsOf(exception);
            }
        }
        publish([&](WorkbenchSnapshot& s) {
            if (problem) s.turn_error = problem;
        });
        return problem;
    }

    /// A conversation's records keep their width: a policy that chooses more waits for the next one, and the policy
    /// that the conversation has stays. Call with `mutex` held.
    LaneSettings fittingTheChat(LaneSettings wanted) {
        const std::int32_t slots = parsePolicy(wanted.policy, loaded->model.config)->maxSlots();
        if (slots <= chat_slots) {
            policy_waits.reset();
            chat_policy = wanted.policy;
            return wanted;
        }
        policy_waits = ErrorParts{.what = "This policy waits for the next conversation",
                                  .where = "routing policy \"" + wanted.policy + "\"",
                                  .expected = "at most " + std::to_string(chat_slots) +
                                              " experts a token, which the records of this conversation hold",
                                  .found = "up to " + std::to_string(slots),
                                  .advice = "Until then \"" + chat_policy + "\" goes on"};
        wanted.policy = chat_policy;
        return wanted;
    }

    /// Keeps to the modes that the model has; sampling follows the mode for as long as nobody has chosen another.
    void followMode(LaneSettings& wanted) const {
        wanted.mode = loaded->possibleMode(wanted.mode);
        if (wanted.mode == settings.mode || wanted.sampling != settings.sampling) return;
        if (sameButSeed(settings.sampling, loaded->sampling(settings.mode)))
            wanted.sampling = withSeed(loaded->sampling(wanted.mode), wanted.sampling.seed);
    }

    void stopTurn() {
        {
            const std::lock_guard lock(mutex);
            std::erase_if(queue, isWork);
            stop_turn = true;
            if (live != nullptr) live->requestStop(live_lane);
            changed.notify_all();
        }
        comparison.stop();
    }

    void setRecording(bool on) {
        {
            const std::lock_guard lock(mutex);
            recording = on && options.probes;
        }
        enqueue(CheckRecording{});
        publish([](WorkbenchSnapshot&) {});
    }

    bool waitIdle(int timeout_ms) {
        std::unique_lock lock(mutex);
        const auto idle = [&] { return queue.empty() && !busy; };
        if (timeout_ms >= 0) return changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), idle);
        changed.wait(lock, idle);
        return true;
    }

    std::shared_ptr<Recorder> currentRecorder() const {
        const std::lock_guard lock(mutex);
        return recorder;
    }

    // --- engine thread
    // -------------------------------------------------------------------------------------------------
    void run(const std::stop_token& stop) {
        while (const std::optional<Command> command = nextCommand(stop)) {
            std::visit([&](const auto& what) { execute(what, stop); }, *command);
            const std::lock_guard lock(mutex);
            busy = false;
            changed.notify_all();
        }
        closeChat();
        comparison.close();
    }

    std::optional<Command> nextCommand(const std::stop_token& stop) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stop.stop_requested() || !queue.empty(); });
        if (stop.stop_requested()) return std::nullopt;
        Command command = std::move(queue.front());
        queue.pop_front();
        busy = true;
        stop_turn = false;
        return command;
    }

    /// Something waits that ends the turn or the loading under way. Call with `mutex` held.
    bool interruptedLocked(const std::stop_token& stop) const {
        return stop.stop_requested() || std::any_of(queue.begin(), queue.end(), [](const Command& command) {
                   return std::holds_alternative<OpenModel>(command) ||
                          std::holds_alternative<NewConversation>(command);
               });
    }

    bool interrupted(const std::stop_token& stop) const {
        const std::lock_guard lock(mutex);
        return interruptedLocked(stop);
    }

    void execute(const OpenModel& command, const std::stop_token& stop) {
        publish([](WorkbenchSnapshot& s) {
            s.state = WorkbenchState::kLoading;
            s.log.clear();
            s.load_error.reset();
        });
        const auto log = [&](std::string_view line) {
            if (interrupted(stop)) throw LoadingCancelled();
            publish([&](WorkbenchSnapshot& s) { s.log.emplace_back(line); });
        };
        std::optional<ErrorParts> problem;
        try {
            adopt(loadModel(command.name, options, log));
        } catch (const LoadingCancelled&) {
            publish([](WorkbenchSnapshot& s) { s.log.emplace_back("Cancelled"); });
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
        }
        publish([&](WorkbenchSnapshot& s) {
            s.load_error = problem;
            s.state = s.model ? WorkbenchState::kReady : WorkbenchState::kNoModel;
        });
    }

    /// Puts a model that was loaded in the place of the one before; until here that one stays as it was.
    void adopt(const std::shared_ptr<LoadedModel>& model) {
        LaneSettings initial;
        {
            const std::lock_guard lock(mutex);
            initial = settings;
        }
        const SamplingSettings untouched = loaded ? loaded->sampling(initial.mode) : SamplingSettings{};
        initial.mode = model->possibleMode(initial.mode);
        if (sameButSeed(initial.sampling, untouched))
            initial.sampling = withSeed(model->sampling(initial.mode), initial.sampling.seed);
        // What was chosen for the model before may be no policy of this one.
        if (loaded && !isPolicyOf(initial.policy, model->model)) initial.policy = LaneSettings{}.policy;
        std::unique_ptr<Chat> first = makeChat(model, initial);
        model->facts.context_tokens = first->generation().contextTokens();
        closeChat();
        {
            const std::lock_guard lock(mutex);
            settings = initial;
            loaded = model;
        }
        chat = std::move(first);
        comparison.setModel(model);
        publish([&](WorkbenchSnapshot& s) {
            s.model = std::make_shared<const ModelFacts>(model->facts);
            s.turn_error.reset();
            s.fork_error.reset();
            s.attribution.reset();
            clearConversation(s);
        });
    }

    std::unique_ptr<Chat> makeChat(const std::shared_ptr<LoadedModel>& model, const LaneSettings& lane_settings) {
        Chat::Options chat_options;
        chat_options.probes = options.probes;
        // A policy that selects more experts than the model's own needs wider records.
        chat_options.slots = parsePolicy(lane_settings.policy, model->model.config)->maxSlots();
        chat_options.publish = [this](std::vector<LaneSnapshot> lanes) {
            publish([&](WorkbenchSnapshot& s) { putLanes(s, std::move(lanes)); });
        };
        return std::make_unique<Chat>(model, chat_options, lane_settings);
    }

    void closeChat() {
        closeRecorder();
        chat.reset();
        leaveRoom(0);
    }

    /// The conversation's records hold this many selections; 0: none has begun, and any policy fits.
    void leaveRoom(std::int32_t slots) {
        const std::lock_guard lock(mutex);
        chat_slots = slots;
        policy_waits.reset();
    }

    /// Waits until the file is complete; its thread may publish meanwhile, so no lock is held.
    void closeRecorder() {
        std::shared_ptr<Recorder> closing;
        {
            const std::lock_guard lock(mutex);
            closing.swap(recorder);
        }
        closing.reset();
    }

    static void clearConversation(WorkbenchSnapshot& s) {
        s.conversation.clear();
        s.lanes.clear();
        s.origins.clear();
        s.context_used = 0;
    }

    void execute(const NewConversation&, const std::stop_token&) {
        if (!chat) return;
        LaneSettings current;
        {
            const std::lock_guard lock(mutex);
            current = settings;
        }
        std::optional<ErrorParts> problem;
        closeChat();  // first: two conversations' caches need not fit into memory
        try {
            chat = makeChat(loaded, current);
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
        }
        publish([&](WorkbenchSnapshot& s) {
            clearConversation(s);
            s.turn_error = problem;
        });
    }

    void execute(const CheckRecording&, const std::stop_token&) { checkRecording(); }
    void execute(const RetireComparison&, const std::stop_token&) { comparison.retire(); }

    void setState(WorkbenchState state) {
        publish([&](WorkbenchSnapshot& s) { s.state = s.model ? state : WorkbenchState::kNoModel; });
    }

    void execute(const Fork& command, const std::stop_token& stop) {
        setState(WorkbenchState::kGenerating);
        std::optional<ErrorParts> problem;
        try {
            if (!chat || chat->turns() == 0)
                throw Error({.what = "There is no turn that could be forked", .advice = "Send a message first"});
            const LaneOrigin origin = chat->fork(command.request);
            if (const auto current = currentRecorder()) current->addLane(origin);
            publish([&](WorkbenchSnapshot& s) { s.origins.push_back(origin); });
            setLive(&chat->generation(), origin.lane);
            generate(origin.lane, stop);
            chat->catchUp();
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
        }
        setLive(nullptr, 0);
        publish([&](WorkbenchSnapshot& s) { s.fork_error = problem; });
        setState(WorkbenchState::kReady);
    }

    void execute(const Attribute& command, const std::stop_token& stop) {
        setState(WorkbenchState::kAttributing);
        AttributionSnapshot refused;
        refused.lane = command.lane;
        refused.position = command.position;
        try {
            if (command.in_comparison) {
                Comparison& run = comparison.comparison();
                attribute(run.generation(), command, run.snapshot()->historyOf(command.lane), run.recorder(), stop);
            } else {
                if (!chat) throw Error({.what = "There is no conversation to measure"});
                const auto shown = publisher.snapshot();
                const auto lane = std::ranges::find(shown->lanes, command.lane, &LaneSnapshot::lane);
                attribute(chat->generation(), command, lane == shown->lanes.end() ? History() : lane->history,
                          currentRecorder(), stop);
            }
        } catch (const std::exception& exception) {
            refused.error = partsOf(exception);
            publish(
                [&](WorkbenchSnapshot& s) { s.attribution = std::make_shared<const AttributionSnapshot>(refused); });
        }
        setState(WorkbenchState::kReady);
    }

    void attribute(Generation& generation, const Attribute& command, const History& history,
                   const std::shared_ptr<Recorder>& kept_by, const std::stop_token& stop) {
        Attribution attribution(generation, *loaded, command.lane, command.position, history);
        std::shared_ptr<const AttributionSnapshot> result;
        for (bool more = true; more;) {
            more = !mustStop(stop) && attribution.step();
            if (!more) attribution.end();
            result = std::make_shared<const AttributionSnapshot>(attribution.result());
            publish([&](WorkbenchSnapshot& s) { s.attribution = result; });
        }
        if (kept_by) kept_by->addAttribution(result);
    }

    void execute(const Compare& command, const std::stop_token& stop) {
        setState(WorkbenchState::kComparing);
        try {
            if (command.start) {
                command.start(comparison.comparison());
            } else {
                comparison.startRun(command.messages, comparisonOptions(command.messages));
            }
            stepComparison(stop);
            if (command.then_forced && !mustStop(stop)) {
                comparison.comparison().startForced();
                stepComparison(stop);
            }
        } catch (const std::exception& exception) {
            comparison.fail(partsOf(exception));
        }
        setState(WorkbenchState::kReady);
    }

    void stepComparison(const std::stop_token& stop) {
        Comparison& run = comparison.comparison();
        for (;;) {
            const Clock::time_point start = Clock::now();
            if (mustStop(stop)) run.stop();
            if (!run.step()) return;
            if (run.state() == ComparisonState::kRunning) keepPace(start, stop);
        }
    }

    Comparison::Options comparisonOptions(const std::vector<Message>& messages) {
        Comparison::Options run;
        bool wanted = false;
        {
            const std::lock_guard lock(mutex);
            wanted = recording;
        }
        const std::time_t now = std::time(nullptr);
        const std::string text = messages.empty() ? std::string() : messages.back().content;
        if (wanted) run.record = newSessionPath(options.session_directory, "compare " + text, now);
        run.metadata = {{"title", titleOf(text)}, {"created_utc", utcTime(now)}};
        if (loaded) run.metadata["backend"] = loaded->facts.backend;
        run.recorder_changed = [this] { publish([](WorkbenchSnapshot&) {}); };
        return run;
    }

    void checkRecording() {
        {
            const std::lock_guard lock(mutex);
            if (recording || !recorder) return;
        }
        closeRecorder();
        publish([](WorkbenchSnapshot&) {});
    }

    void execute(const Send& command, const std::stop_token& stop) {
        publish([](WorkbenchSnapshot& s) {
            s.turn_error.reset();
            if (s.model) s.state = WorkbenchState::kGenerating;
        });
        std::optional<ErrorParts> problem;
        try {
            if (!chat) {
                if (!loaded) throw Error({.what = "No model is open", .advice = "Open a model first"});
                chat = makeChat(loaded, currentSettings());
            }
            runTurn(command.text, stop);
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
        }
        setLive(nullptr, 0);
        if (chat && chat->turns() == 0) leaveRoom(0);
        publish([&](WorkbenchSnapshot& s) {
            if (problem) s.turn_error = problem;
            s.state = s.model ? WorkbenchState::kReady : WorkbenchState::kNoModel;
        });
    }

    LaneSettings currentSettings() const {
        const std::lock_guard lock(mutex);
        return settings;
    }

    void setLive(Generation* generation, LaneId lane) {
        const std::lock_guard lock(mutex);
        live = generation;
        live_lane = lane;
    }

    void runTurn(const std::string& text, const std::stop_token& stop) {
        const LaneSettings current = currentSettings();
        if (chat->turns() == 0 && parsePolicy(current.policy, loaded->model.config)->maxSlots() > chat->shape().slots)
            chat = makeChat(loaded, current);
        std::string system;
        LaneSettings fitting;
        {
            const std::lock_guard lock(mutex);
            system = system_prompt;
            chat_slots = chat->shape().slots;
            fitting = fittingTheChat(current);
        }
        const TurnPlan plan = chat->plan(system, text, fitting);
        const int turn = chat->turns();
        bool starts_recording = false;
        {
            const std::lock_guard lock(mutex);
            starts_recording = recording && !recorder;
        }
        chat->startTurn(plan, starts_recording);
        setLive(&chat->generation(), chat->lane());
        requestIfChanged(current);
        recordTurn(plan, turn);
        publish([&](WorkbenchSnapshot& s) {
            addToConversation(s, plan, turn);
            if (s.origins.empty()) s.origins.push_back(originOfChat());
        });
        std::exception_ptr failure;
        try {
            generate(chat->lane(), stop);
        } catch (...) {
            failure = std::current_exception();
        }
        setLive(nullptr, 0);
        const std::string answer = chat->finishTurn();
        if (const auto current_recorder = currentRecorder())
            current_recorder->addMessage(turn, Role::kAssistant, answer, plan.settings.mode);
        if (failure) std::rethrow_exception(failure);
    }

    /// What was set between the plan and now did not reach the lane.
    void requestIfChanged(const LaneSettings& planned) {
        const std::lock_guard lock(mutex);
        if (settings != planned) live->requestSettings(live_lane, fittingTheChat(settings));
    }

    static void addToConversation(WorkbenchSnapshot& s, const TurnPlan& plan, int turn) {
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

    void recordTurn(const TurnPlan& plan, int turn) {
        std::shared_ptr<Recorder> current = currentRecorder();
        bool wanted = false;
        {
            const std::lock_guard lock(mutex);
            wanted = recording;
        }
        if (!wanted) return;
        const bool first = current == nullptr;
        if (first) {
            current = startRecording(plan);
            current->addLane(originOfChat());
            const std::lock_guard lock(mutex);
            recorder = current;
        }
        // A recording that begins later holds the conversation so far, as the prompt does.
        int message_turn = first ? 0 : turn;
        for (std::size_t i = first ? 0 : plan.messages.size() - 1; i < plan.messages.size(); ++i) {
            const Message& message = plan.messages[i];
            current->addMessage(message_turn, message.role, message.content, plan.settings.mode);
            if (message.role == Role::kAssistant) ++message_turn;
        }
        current->addTurnSettings(turn, chat->lane(), plan.settings);
    }

    LaneOrigin originOfChat() const {
        LaneOrigin origin;
        origin.lane = chat->lane();
        origin.settings = currentSettings();
        return origin;
    }

    std::shared_ptr<Recorder> startRecording(const TurnPlan& plan) {
        const std::time_t now = std::time(nullptr);
        const std::string& text = plan.messages.back().content;
        RecordingOptions recording_options;
        if (!session_file_used && !options.session_file.empty())
            recording_options.file = options.session_file;
        else
            recording_options.file = newSessionPath(options.session_directory, text, now);
        session_file_used = true;
        const ModelFacts& facts = loaded->facts;
        recording_options.metadata = {{"title", titleOf(text)},
                                      {"created_utc", utcTime(now)},
                                      {"backend", facts.backend},
                                      {"model_description", facts.description},
                                      {"context_tokens", std::to_string(facts.context_tokens)}};
        recording_options.status_changed = [this] { publish([](WorkbenchSnapshot&) {}); };
        return chat->record(std::move(recording_options));
    }

    void generate(LaneId lane, const std::stop_token& stop) {
        Generation& generation = chat->generation();
        for (;;) {
            const Clock::time_point start = Clock::now();
            if (mustStop(stop)) generation.requestStop(lane);
            if (!generation.step()) return;
            const GenerationTimes times = generation.times();
            probes_cost = times.step_ms > 0.0 ? times.sink_ms / times.step_ms : -1.0;
            checkRecording();
            const LaneState state = generation.status(lane).state;
            if (state == LaneState::kThinking || state == LaneState::kAnswering) keepPace(start, stop);
        }
    }

    bool mustStop(const std::stop_token& stop) const {
        const std::lock_guard lock(mutex);
        return stop_turn || interruptedLocked(stop);
    }

    /// Waits until 1 / pace seconds have passed since `start`, whatever the pace becomes meanwhile.
    void keepPace(Clock::time_point start, const std::stop_token& stop) {
        std::unique_lock lock(mutex);
        while (pace > 0.0 && !stop_turn && !interruptedLocked(stop)) {
            const auto due =
                start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1.0 / pace));
            if (Clock::now() >= due) return;
            changed.wait_until(lock, due);
        }
    }

    const WorkbenchOptions options;
    SnapshotPublisher publisher;
    std::atomic<double> probes_cost{-1.0};

    mutable std::mutex mutex;  // guards the following, down to `loaded`
    std::condition_variable changed;
    std::deque<Command> queue;
    bool busy = false;  // the engine thread is at a command
    bool stop_turn = false;
    bool recording;
    double pace = 0.0;      // tokens a second, 0: no limit
    LaneSettings settings;  // as requested last
    std::string system_prompt;
    Generation* live = nullptr;  // while a turn is under way
    LaneId live_lane = 0;
    std::shared_ptr<Recorder> recorder;
    std::int32_t chat_slots = 0;  // selections a row that the conversation's records hold; 0: none has begun
    std::string chat_policy;      // the last one that fitted the conversation
    std::optional<ErrorParts> policy_waits;
    std::shared_ptr<LoadedModel> loaded;  // changed by the engine thread only, which may read it without the lock

    ComparisonRunner comparison{[this](std::shared_ptr<const ComparisonSnapshot> made) {
        publish([&](WorkbenchSnapshot& s) { s.comparison = std::move(made); });
    }};

    // Of the engine thread alone.
    std::unique_ptr<Chat> chat;
    bool session_file_used = false;
    SessionList session_list;
    std::jthread engine;  // last: it uses all of the above
};

Workbench::Workbench(WorkbenchOptions options) : m_impl(std::make_unique<Impl>(std::move(options))) {}
Workbench::~Workbench() = default;

void Workbench::setWake(std::function<void()> wake) {
    m_impl->publisher.setWake(std::move(wake));
}
std::shared_ptr<const WorkbenchSnapshot> Workbench::snapshot() const {
    return m_impl->publisher.snapshot();
}

void Workbench::openModel(std::string model) {
    m_impl->enqueue(OpenModel{std::move(model)});
}
void Workbench::send(std::string user_text) {
    m_impl->enqueue(Send{std::move(user_text)});
}
void Workbench::newConversation() {
    m_impl->enqueue(NewConversation{});
}
void Workbench::setRecording(bool on) {
    m_impl->setRecording(on);
}
std::optional<ErrorParts> Workbench::setSettings(const LaneSettings& settings) {
    return m_impl->setSettings(settings);
}
LaneSettings Workbench::settings() const {
    return m_impl->currentSettings();
}
void Workbench::stop() {
    m_impl->stopTurn();
}

void Workbench::setSystemPrompt(std::string text) {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->system_prompt = std::move(text);
}

void Workbench::answerNow() {
    const std::lock_guard lock(m_impl->mutex);
    if (m_impl->live != nullptr) m_impl->live->requestAnswerNow(m_impl->live_lane);
}

void Workbench::setComparisonLanes(std::vector<LaneSettings> lanes) {
    m_impl->comparison.setLanes(std::move(lanes));
    m_impl->enqueue(RetireComparison{});
}
void Workbench::setComparisonLane(std::size_t index, const LaneSettings& settings) {
    m_impl->comparison.setLane(index, settings);
}
void Workbench::addComparisonLane(const LaneSettings& settings) {
    m_impl->comparison.addLane(settings);
}
void Workbench::removeComparisonLane(std::size_t index) {
    m_impl->comparison.removeLane(index);
}
void Workbench::runComparison(std::vector<Message> messages, bool then_forced) {
    m_impl->enqueue(Compare{.start = {}, .messages = std::move(messages), .then_forced = then_forced});
}
void Workbench::measureForced() {
    m_impl->enqueue(Compare{.start = [](Comparison& run) { run.startForced(); }});
}
void Workbench::measureAlone() {
    m_impl->enqueue(Compare{.start = [](Comparison& run) { run.startAlone(); }});
}
void Workbench::forkChat(const ForkRequest& request) {
    m_impl->enqueue(Fork{request});
}
void Workbench::forkComparison(const ForkRequest& request) {
    m_impl->enqueue(Compare{.start = [request](Comparison& run) { run.startFork(request); }});
}
void Workbench::attributeChat(LaneId lane, std::int32_t position) {
    m_impl->enqueue(Attribute{.lane = lane, .position = position, .in_comparison = false});
}
void Workbench::attributeComparison(LaneId lane, std::int32_t position) {
    m_impl->enqueue(Attribute{.lane = lane, .position = position, .in_comparison = true});
}

void Workbench::setDecodePace(double tokens_per_s) {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->pace = std::isfinite(tokens_per_s) && tokens_per_s > 0.0 ? tokens_per_s : 0.0;
    m_impl->changed.notify_all();
}

double Workbench::decodePace() const {
    const std::lock_guard lock(m_impl->mutex);
    return m_impl->pace;
}

bool Workbench::waitIdle(int timeout_ms) {
    return m_impl->waitIdle(timeout_ms);
}

bool Workbench::flush() {
    const std::shared_ptr<Recorder> recorder = m_impl->currentRecorder();
    const std::shared_ptr<Recorder> of_lanes = m_impl->comparison.recorder();
    const bool kept = recorder == nullptr || recorder->flush();
    return (of_lanes == nullptr || of_lanes->flush()) && kept;
}

std::vector<SessionInfo> Workbench::sessions() const {
    return m_impl->session_list.list(m_impl->options.session_directory);
}

}  // namespace mixoscope
