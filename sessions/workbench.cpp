#include "sessions/workbench.h"

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

#include "sessions/attribution.h"
#include "sessions/command_queue.h"
#include "sessions/comparison_runner.h"
#include "sessions/conversation.h"
#include "sessions/error_parts.h"
#include "sessions/recorded_conversation.h"
#include "sessions/recorded_model_files.h"
#include "sessions/routing_replay.h"
#include "sessions/session_list.h"
#include "sessions/session_name.h"
#include "sessions/snapshot_publisher.h"

namespace mixoscope {

namespace {

/// Thrown through the loading of a model that nobody waits for any more.
struct LoadingCancelled {};

}  // namespace

struct Workbench::Impl {
    explicit Impl(WorkbenchOptions workbench_options) : options(std::move(workbench_options)) {
        offerSessionsToReplay();
        publish([](WorkbenchSnapshot&) {});
        engine = std::jthread([this] { run(); });
    }

    ~Impl() {
        queue.close();
        conversation.requestStop();
        comparison.stop();
        engine.join();
    }

    // --- shared by all threads ---------------------------------------------------------------------------------------
    /// Publishes a change together with what the snapshot shows of the settings and the recorders, which are looked at
    /// within the change: else an older look of another thread could be published after a newer one. Call it without a
    /// lock of theirs, which are taken inside the publisher's.
    void publish(const std::function<void(WorkbenchSnapshot&)>& change) {
        publisher.change([&](WorkbenchSnapshot& s) {
            change(s);
            s.comparison_recorder = comparison.recorderStatus();
            conversation.describe(s);
        });
    }

    void setState(WorkbenchState state) {
        publish([&](WorkbenchSnapshot& s) { s.state = s.model ? state : WorkbenchState::kNoModel; });
    }

    // --- commands, on the caller's thread ----------------------------------------------------------------------------
    void stop() {
        queue.stop();
        conversation.requestStop();
        comparison.stop();
    }

    void setRecording(bool on) {
        conversation.setRecording(on);
        queue.push(CheckRecording{});
        publish([](WorkbenchSnapshot&) {});
    }

    // --- engine thread -----------------------------------------------------------------------------------------------
    void run() {
        while (const std::optional<Command> command = queue.next()) {
            std::visit([&](const auto& what) { execute(what); }, *command);
            queue.done();
        }
        conversation.close();
        comparison.close();
    }

    void execute(const Send& command) { conversation.send(command.text); }
    void execute(const NewConversation&) { conversation.restart(); }
    void execute(const CheckRecording&) { conversation.checkRecording(); }
    void execute(const RetireComparison&) { comparison.retire(); }

    void execute(const OpenModel& command) {
        publish([](WorkbenchSnapshot& s) {
            s.state = WorkbenchState::kLoading;
            s.log.clear();
            s.load_error.reset();
        });
        std::optional<ErrorParts> problem;
        try {
            adopt(loadModel(command.name, options, [&](std::string_view line) { logLoading(line); }));
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

    void execute(const Continue& command) {
        publish([](WorkbenchSnapshot& s) {
            s.state = WorkbenchState::kLoading;
            s.log.clear();
            s.load_error.reset();
        });
        std::optional<ErrorParts> problem;
        bool other_model = false;
        const auto tell = [&] {
            publish([&](WorkbenchSnapshot& s) {
                s.continue_error = problem;
                s.continue_other_model = other_model;
                ++s.continues_asked;
            });
        };
        bool begun = false;
        try {
            const RecordedConversation recorded(command.request.file, command.request.step,
                                                [this] { return queue.mustStop(); });
            const std::shared_ptr<LoadedModel> model = modelOf(recorded.model());
            if (!command.request.other_model) problem = differenceOfModels(recorded.model(), model->identity);
            other_model = problem.has_value();
            if (!problem) {
                recorded.checkFits(model->model);
                if (model != conversation.loaded()) adopt(model);
                conversation.resume(recorded, command.request.stop_there, [&] {
                    begun = true;
                    tell();
                });
            }
        } catch (const LoadingCancelled&) {
            problem = ErrorParts{.what = "Cancelled"};
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
        }
        if (!begun) tell();
        setState(WorkbenchState::kReady);
    }

    /// The model that is open, if it is the recorded one, else what is where that was.
    std::shared_ptr<LoadedModel> modelOf(const SessionModel& recorded) {
        const std::string name = nameOfRecordedModel(recorded, options.demo_directory);
        const std::shared_ptr<LoadedModel> open = conversation.loaded();
        if (open && !differenceOfModels(recorded, open->identity)) return open;
        return loadModel(name, options, [&](std::string_view line) { logLoading(line); });
    }

    void logLoading(std::string_view line) {
        if (queue.interrupted()) throw LoadingCancelled();
        publish([&](WorkbenchSnapshot& s) { s.log.emplace_back(line); });
    }

    void adopt(const std::shared_ptr<LoadedModel>& model) {
        conversation.adopt(model);
        comparison.setModel(model);
        publish([&](WorkbenchSnapshot& s) {
            s.model = std::make_shared<const ModelFacts>(model->facts);
            s.turn_error.reset();
            s.fork_error.reset();
            s.attribution.reset();
            Conversation::clear(s);
        });
    }

    void execute(const Fork& command) {
        if (command.in_comparison) return forkComparison(command.request);
        setState(WorkbenchState::kGenerating);
        conversation.fork(command.request);
        setState(WorkbenchState::kReady);
    }

    void forkComparison(const ForkRequest& request) {
        setState(WorkbenchState::kComparing);
        std::optional<ErrorParts> problem;
        const auto tell = [&] {
            publish([&](WorkbenchSnapshot& s) {
                s.fork_error = problem;
                ++s.forks_asked;
            });
        };
        bool begun = false;
        try {
            comparison.comparison().startFork(request);
            begun = true;
            tell();
            stepComparison();
        } catch (const std::exception& exception) {
            problem = partsOf(exception);
            comparison.fail(*problem);
        }
        if (!begun) tell();
        setState(WorkbenchState::kReady);
    }

    void execute(const Attribute& command) {
        setState(WorkbenchState::kAttributing);
        AttributionSnapshot refused;
        refused.lane = command.lane;
        refused.position = command.position;
        try {
            if (command.in_comparison) {
                Comparison& run = comparison.comparison();
                attribute(run.generation(), command, run.snapshot()->historyOf(command.lane), run.recorder());
            } else {
                Chat* chat = conversation.chat();
                if (chat == nullptr) throw Error({.what = "There is no conversation to measure"});
                const auto shown = publisher.snapshot();
                const auto lane = std::ranges::find(shown->lanes, command.lane, &LaneSnapshot::lane);
                attribute(chat->generation(), command, lane == shown->lanes.end() ? History() : lane->history,
                          conversation.recorder());
            }
        } catch (const std::exception& exception) {
            refused.error = partsOf(exception);
            publish(
                [&](WorkbenchSnapshot& s) { s.attribution = std::make_shared<const AttributionSnapshot>(refused); });
        }
        setState(WorkbenchState::kReady);
    }

    void attribute(Generation& generation, const Attribute& command, const History& history,
                   const std::shared_ptr<Recorder>& kept_by) {
        Attribution attribution(generation, *conversation.loaded(), command.lane, command.position, history);
        std::shared_ptr<const AttributionSnapshot> result;
        for (bool more = true; more;) {
            more = !queue.mustStop() && attribution.step();
            if (!more) attribution.end();
            result = std::make_shared<const AttributionSnapshot>(attribution.result());
            publish([&](WorkbenchSnapshot& s) { s.attribution = result; });
        }
        if (kept_by) kept_by->addAttribution(result);
    }

    void execute(const Compare& command) {
        setState(WorkbenchState::kComparing);
        try {
            if (command.start) {
                command.start(comparison.comparison());
            } else {
                comparison.startRun(command.messages, comparisonOptions(command.messages));
            }
            stepComparison();
            if (command.then_forced && !queue.mustStop()) {
                comparison.comparison().startForced();
                stepComparison();
            }
        } catch (const std::exception& exception) {
            comparison.fail(partsOf(exception));
        }
        setState(WorkbenchState::kReady);
    }

    void stepComparison() {
        Comparison& run = comparison.comparison();
        for (;;) {
            const CommandQueue::Clock::time_point start = CommandQueue::Clock::now();
            if (queue.mustStop()) run.stop();
            if (!run.step()) return;
            if (run.state() == ComparisonState::kRunning) queue.keepPace(start);
        }
    }

    Comparison::Options comparisonOptions(const std::vector<Message>& messages) {
        Comparison::Options run;
        const std::time_t now = std::time(nullptr);
        const std::string text = messages.empty() ? std::string() : messages.back().content;
        if (conversation.wantsRecording())
            run.record = newSessionPath(options.session_directory, "compare " + text, now);
        run.metadata = {{"title", titleOf(text)}, {"created_utc", utcTime(now)}};
        if (const auto loaded = conversation.loaded()) run.metadata["backend"] = loaded->facts.backend;
        run.recorder_changed = [this] { publish([](WorkbenchSnapshot&) {}); };
        return run;
    }

    const WorkbenchOptions options;
    SnapshotPublisher publisher;
    CommandQueue queue;
    Conversation conversation{options, queue,
                              [this](const std::function<void(WorkbenchSnapshot&)>& change) { publish(change); }};
    ComparisonRunner comparison{[this](std::shared_ptr<const ComparisonSnapshot> made) {
        publish([&](WorkbenchSnapshot& s) { s.comparison = std::move(made); });
    }};
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
    m_impl->queue.push(OpenModel{std::move(model)});
}
void Workbench::send(std::string user_text) {
    m_impl->queue.push(Send{std::move(user_text)});
}
void Workbench::newConversation() {
    m_impl->queue.push(NewConversation{});
}
void Workbench::continueRecording(ContinueRequest request) {
    m_impl->queue.push(Continue{std::move(request)});
}
void Workbench::setRecording(bool on) {
    m_impl->setRecording(on);
}
std::optional<ErrorParts> Workbench::setSettings(const LaneSettings& settings) {
    return m_impl->conversation.setSettings(settings);
}
LaneSettings Workbench::settings() const {
    return m_impl->conversation.settings();
}
void Workbench::stop() {
    m_impl->stop();
}

void Workbench::setSystemPrompt(std::string text) {
    m_impl->conversation.setSystemPrompt(std::move(text));
}

void Workbench::answerNow() {
    m_impl->conversation.answerNow();
}

void Workbench::setComparisonLanes(std::vector<LaneSettings> lanes) {
    m_impl->comparison.setLanes(std::move(lanes));
    m_impl->queue.push(RetireComparison{});
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
    m_impl->queue.push(Compare{.start = {}, .messages = std::move(messages), .then_forced = then_forced});
}
void Workbench::measureForced() {
    m_impl->queue.push(Compare{.start = [](Comparison& run) { run.startForced(); }});
}
void Workbench::measureAlone() {
    m_impl->queue.push(Compare{.start = [](Comparison& run) { run.startAlone(); }});
}
void Workbench::forkChat(const ForkRequest& request) {
    m_impl->queue.push(Fork{.request = request, .in_comparison = false});
}
void Workbench::forkComparison(const ForkRequest& request) {
    m_impl->queue.push(Fork{.request = request, .in_comparison = true});
}
void Workbench::attributeChat(LaneId lane, std::int32_t position) {
    m_impl->queue.push(Attribute{.lane = lane, .position = position, .in_comparison = false});
}
void Workbench::attributeComparison(LaneId lane, std::int32_t position) {
    m_impl->queue.push(Attribute{.lane = lane, .position = position, .in_comparison = true});
}

std::vector<TokenId> Workbench::tokensOf(std::string_view text) const {
    const std::shared_ptr<LoadedModel> loaded = m_impl->conversation.loaded();
    return loaded && loaded->canChat() ? loaded->model.tokenizer->encode(text) : std::vector<TokenId>{};
}

void Workbench::setDecodePace(double tokens_per_s) {
    m_impl->queue.setPace(tokens_per_s);
}

double Workbench::decodePace() const {
    return m_impl->queue.pace();
}

bool Workbench::waitIdle(int timeout_ms) {
    return m_impl->queue.waitIdle(timeout_ms);
}

bool Workbench::flush() {
    const std::shared_ptr<Recorder> recorder = m_impl->conversation.recorder();
    const std::shared_ptr<Recorder> of_lanes = m_impl->comparison.recorder();
    const bool kept = recorder == nullptr || recorder->flush();
    return (of_lanes == nullptr || of_lanes->flush()) && kept;
}

std::vector<SessionInfo> Workbench::sessions() const {
    const std::vector<ListedSession> listed = m_impl->session_list.list(m_impl->options.session_directory);
    return {listed.begin(), listed.end()};
}

}  // namespace mixoscope
