#include "sessions/experiment_runner.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <span>
#include <thread>
#include <utility>
#include <variant>

#include "engine/error.h"
#include "sessions/error_parts.h"
#include "sessions/experiment_store.h"
#include "sessions/loaded_model.h"
#include "sessions/sweep.h"

namespace mixoscope {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPublishEvery{80};

Experiment experimentOf(const ExperimentIdentity& identity, const std::filesystem::path& file) {
    return parseExperiment(std::as_bytes(std::span(identity.experiment_json)), file);
}

}  // namespace

struct ExperimentRunner::Impl {
    struct Open {
        std::filesystem::path file;
        std::optional<Experiment> experiment;
    };
    struct Run {};
    using Command = std::variant<Open, Run>;

    Impl(WorkbenchOptions workbench_options, std::filesystem::path experiments)
        : options(std::move(workbench_options)),
          directory(std::move(experiments)),
          pause([this](bool holding) { hold(holding); }),
          published(std::make_shared<ExperimentSnapshot>()) {
        worker = std::jthread([this](const std::stop_token& ended) { loop(ended); });
    }

    ~Impl() {
        stopRun();
        worker.request_stop();
        worker.join();
    }

    // --- callers' thread ---------------------------------------------------------------------------------------------
    void push(Command command) {
        {
            const std::lock_guard lock(mutex);
            commands.push_back(std::move(command));
        }
        changed.notify_all();
    }

    void stopRun() {
        const std::lock_guard lock(mutex);
        commands.clear();
        run_stop.request_stop();
    }

    // --- publication -------------------------------------------------------------------------------------------------
    /// Lets `change` alter the draft and publishes a copy.
    template <typename Change>
    void publish(const Change& change) {
        std::function<void()> told;
        {
            const std::lock_guard lock(mutex);
            change(draft);
            ++draft.serial;
            published = std::make_shared<const ExperimentSnapshot>(draft);
            if (!awake && wake) {
                awake = true;
                told = wake;
            }
        }
        if (told) told();
    }

    /// The same with the results so far.
    template <typename Change>
    void publishResults(const Change& change) {
        const std::vector<CellResult> results = tally->results();  // takes its time: not under the lock
        const TaskLoads loads = tally->taskLoads();
        publish([&](ExperimentSnapshot& s) {
            s.results = results;
            s.runs = runs;
            s.task_loads = loads;
            s.done = done_count;
            s.run_ms = done_count > 0 ? batch_ms / static_cast<double>(done_count) : kUnknown;
            change(s);
        });
        growing = nullptr;  // what others may see is not changed any more
        last_publication = Clock::now();
    }

    // --- worker's thread ---------------------------------------------------------------------------------------------
    void loop(const std::stop_token& ended) {
        for (;;) {
            std::unique_lock lock(mutex);
            busy = false;
            idle.notify_all();
            if (!changed.wait(lock, ended, [this] { return !commands.empty(); })) return;
            const Command command = std::move(commands.front());
            commands.pop_front();
            busy = true;
            run_stop = std::stop_source();
            lock.unlock();
            if (const Open* asked = std::get_if<Open>(&command)) {
                open(*asked);
            } else {
                runAll();
            }
        }
    }

    void forget() {
        sweep.reset();
        tally.reset();
        runs.clear();
        growing = nullptr;
        done.clear();
        done_count = 0;
        batch_ms = 0.0;
        store_file.clear();
    }

    void open(const Open& asked) {
        forget();
        publish([&](ExperimentSnapshot& s) {
            const std::uint64_t serial = s.serial;
            s = ExperimentSnapshot();
            s.serial = serial;
            s.state = ExperimentState::kOpening;
            s.file = asked.file;
        });
        try {
            if (asked.experiment) {
                openExperiment(*asked.experiment);
            } else if (asked.file.extension() == ".mixo") {
                openResults(asked.file);
            } else {
                openExperiment(readExperiment(asked.file));
            }
        } catch (const std::exception& exception) {
            sweep.reset();  // nothing of it can be run
            publish([&](ExperimentSnapshot& s) {
                s.error = partsOf(exception);
                s.state = s.frame == nullptr ? ExperimentState::kNone : ExperimentState::kReady;
                if (s.frame != nullptr) s.unusable = s.error;
            });
        }
    }

    /// Model and tasks of an experiment; throws Error.
    void prepare(const Experiment& experiment) {
        if (loaded == nullptr || loaded_name != experiment.model) {
            loaded = nullptr;
            loaded = loadModel(experiment.model, options, [](std::string_view) {});
            loaded_name = experiment.model;
        }
        sweep = std::make_unique<Sweep>(loaded, experiment);
    }

    void openExperiment(const Experiment& experiment) {
        // Shown also if it cannot be run, so that it can be put right.
        publish(
            [&](ExperimentSnapshot& s) { s.frame = std::make_shared<const ExperimentFrame>(frameOf(experiment, {})); });
        if (directory.empty())
            throw Error({.what = "There is no folder to keep experiments in", .where = "the folder of the sessions"});
        prepare(experiment);
        store_file = experimentStoreFor(directory, experiment.name, identityOf(*sweep));
        std::error_code error;
        const bool begun = std::filesystem::exists(store_file, error);
        showOpened(std::make_shared<const ExperimentFrame>(frameOf(*sweep)),
                   begun ? std::optional(ExperimentStore::open(store_file)) : std::nullopt, {});
    }

    void openResults(const std::filesystem::path& file) {
        ExperimentStore store = ExperimentStore::open(file);
        const ExperimentIdentity identity = store.identity();
        const Experiment experiment = experimentOf(identity, file);
        std::optional<ErrorParts> unusable;
        std::shared_ptr<const ExperimentFrame> frame;
        store_file = file;
        try {
            prepare(experiment);
            store.requireSame(identityOf(*sweep));
            frame = std::make_shared<const ExperimentFrame>(frameOf(*sweep));
        } catch (const std::exception& exception) {
            unusable = partsOf(exception);
            sweep.reset();
            frame = std::make_shared<const ExperimentFrame>(frameOf(experiment, store.facts()));
        }
        showOpened(frame, std::move(store), unusable);
    }

    void showOpened(std::shared_ptr<const ExperimentFrame> frame, std::optional<ExperimentStore> store,
                    const std::optional<ErrorParts>& unusable) {
        tally.emplace(frame);
        runs.assign(frame->cells.size(), nullptr);
        std::vector<ExperimentStretch> stretches;
        if (store) {
            runs = cellRuns(*store, frame->cells.size(), [&](const RunResult& run) { take(run); });
            stretches = store->facts().stretches;
        }
        const ExperimentIdentity identity = store ? store->identity() : identityOf(*sweep);
        std::shared_ptr<std::vector<LaneSettings>> settings;
        if (sweep != nullptr) {
            settings = std::make_shared<std::vector<LaneSettings>>();
            for (const ExperimentCell& cell : sweep->cells()) settings->push_back(sweep->settingsOf(cell));
        }
        publishResults([&](ExperimentSnapshot& s) {
            s.frame = frame;
            s.settings = settings;
            s.total = frame->runCount();
            s.state = ExperimentState::kReady;
            s.store = store ? store_file : std::filesystem::path();
            s.unusable = unusable;
            s.identity = identity;
            s.stretches = stretches;
            s.model = sweep == nullptr ? nullptr : std::make_shared<const ModelFacts>(loaded->facts);
        });
    }

    static RunResult withoutLoad(RunResult run) {
        run.measures.load = {};
        return run;
    }

    void take(const RunResult& run) {
        tally->add(run);
        done.insert(run.key);
        ++done_count;
        batch_ms += run.measures.prompt_ms + run.measures.generated_ms;
    }

    void runAll() {
        if (sweep == nullptr || done.size() == sweep->runCount()) return;
        pause.ask(false);
        active_s = 0.0;
        stretch_began = Clock::now();
        first_done = done_count;
        try {
            std::filesystem::create_directories(store_file.parent_path());
            const ExperimentIdentity identity = identityOf(*sweep);
            std::error_code error;
            ExperimentStore store = std::filesystem::exists(store_file, error)
                                        ? ExperimentStore::resume(store_file, identity)
                                        : ExperimentStore::create(store_file, identity, factsOf(*sweep));
            writing = &store;
            store.begin(stretchOf(*sweep));
            const std::vector<ExperimentStretch> stretches = store.facts().stretches;
            publish([&](ExperimentSnapshot& s) {
                s.stretches = stretches;
                s.state = ExperimentState::kRunning;
                s.store = store_file;
                s.error.reset();
                s.elapsed_s = 0.0;
                s.left_s = kUnknown;
            });
            const std::set<RunKey> before = done;
            sweep->run(
                before, [&](const RunResult& run) { keep(store, run); }, run_stop.get_token(), &pause);
            store.commit();
        } catch (const std::exception& exception) {
            publish([&](ExperimentSnapshot& s) { s.error = partsOf(exception); });
        }
        writing = nullptr;
        publishResults([&](ExperimentSnapshot& s) {
            s.state = ExperimentState::kReady;
            s.cell.reset();
            s.elapsed_s = activeSeconds();
            s.left_s = kUnknown;
        });
    }

    void keep(ExperimentStore& store, const RunResult& run) {
        store.add(run);
        take(run);
        // A cell has as many runs as its task has items, which is few enough to copy at each publication.
        if (growing == nullptr || growing_cell != run.key.cell) {
            const auto& shown = runs[run.key.cell];
            growing = std::make_shared<CellRuns>(shown == nullptr ? CellRuns() : *shown);
            growing_cell = run.key.cell;
            runs[growing_cell] = growing;
        }
        growing->insert(std::ranges::lower_bound(*growing, run.key, {}, &RunResult::key), withoutLoad(run));
        if (Clock::now() - last_publication < kPublishEvery) return;
        publishResults([&](ExperimentSnapshot& s) {
            s.cell = run.key.cell;
            s.elapsed_s = activeSeconds();
            s.left_s =
                s.elapsed_s / static_cast<double>(done_count - first_done) * static_cast<double>(s.total - done_count);
        });
    }

    double activeSeconds() const {
        return active_s + std::chrono::duration<double>(Clock::now() - stretch_began).count();
    }

    void hold(bool holding) {
        if (!holding) {
            stretch_began = Clock::now();
            return publish([](ExperimentSnapshot& s) {
                if (s.state == ExperimentState::kPaused) s.state = ExperimentState::kRunning;
            });
        }
        active_s = activeSeconds();
        writing->commit();  // a pause may be long
        publishResults([&](ExperimentSnapshot& s) {
            s.state = ExperimentState::kPaused;
            s.elapsed_s = active_s;
        });
    }

    static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

    const WorkbenchOptions options;
    const std::filesystem::path directory;
    SweepPause pause;

    // Shared, under the mutex.
    mutable std::mutex mutex;
    std::condition_variable_any changed;
    std::condition_variable idle;
    std::deque<Command> commands;
    bool busy = false;
    std::stop_source run_stop;
    ExperimentSnapshot draft;
    ExperimentPointer published;
    std::function<void()> wake;
    mutable bool awake = false;  // woken, and has not asked for the snapshot since

    // The worker's own.
    std::shared_ptr<LoadedModel> loaded;
    std::string loaded_name;
    std::unique_ptr<Sweep> sweep;
    std::filesystem::path store_file;
    ExperimentStore* writing = nullptr;  // while it runs
    std::optional<ExperimentTally> tally;
    std::vector<std::shared_ptr<const CellRuns>> runs;
    std::shared_ptr<CellRuns> growing;  // runs[growing_cell], which nobody else has seen yet; null: none
    std::size_t growing_cell = 0;
    std::set<RunKey> done;
    std::int64_t done_count = 0;
    std::int64_t first_done = 0;  // runs that were there when it was started
    double batch_ms = 0.0;
    double active_s = 0.0;  // before the stretch under way
    Clock::time_point stretch_began;
    Clock::time_point last_publication;

    std::jthread worker;
};

ExperimentRunner::ExperimentRunner(WorkbenchOptions options, std::filesystem::path directory)
    : m_impl(std::make_unique<Impl>(std::move(options), std::move(directory))) {}

ExperimentRunner::~ExperimentRunner() = default;

void ExperimentRunner::setWake(std::function<void()> wake) {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->wake = std::move(wake);
    m_impl->awake = false;
}

ExperimentPointer ExperimentRunner::snapshot() const {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->awake = false;
    return m_impl->published;
}

void ExperimentRunner::open(std::filesystem::path file) {
    m_impl->stopRun();
    m_impl->push(Impl::Open{.file = std::move(file), .experiment = std::nullopt});
}

void ExperimentRunner::open(Experiment experiment, std::filesystem::path file) {
    m_impl->stopRun();
    m_impl->push(Impl::Open{.file = std::move(file), .experiment = std::move(experiment)});
}

void ExperimentRunner::run() {
    const ExperimentState state = snapshot()->state;
    if (state == ExperimentState::kPausing || state == ExperimentState::kPaused) {
        m_impl->pause.ask(false);
        m_impl->publish([](ExperimentSnapshot& s) {
            if (s.state == ExperimentState::kPausing) s.state = ExperimentState::kRunning;
        });
        return;
    }
    m_impl->push(Impl::Run());
}

void ExperimentRunner::pause() {
    m_impl->pause.ask(true);
    m_impl->publish([](ExperimentSnapshot& s) {
        if (s.state == ExperimentState::kRunning) s.state = ExperimentState::kPausing;
    });
}

void ExperimentRunner::stop() {
    m_impl->stopRun();
    m_impl->publish([](ExperimentSnapshot& s) {
        if (s.isRunning()) s.state = ExperimentState::kStopping;
    });
}

void ExperimentRunner::waitIdle() {
    std::unique_lock lock(m_impl->mutex);
    m_impl->idle.wait(lock, [this] { return !m_impl->busy && m_impl->commands.empty(); });
}

}  // namespace mixoscope
