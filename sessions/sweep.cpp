#include "sessions/sweep.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "engine/error.h"
#include "engine/forward.h"
#include "engine/generation.h"
#include "engine/routing_policy.h"
#include "sessions/record_names.h"
#include "sessions/turn_plan.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kUsualWindow = 1024;  // that of the guide which textWindows() names

double millisecondsSince(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

/// Sorts what the lanes of a batch tell by lane.
class RunMeters : public TraceSink {
public:
    void add(LaneId lane, const TraceShape& shape) { m_meters.emplace(lane, shape); }
    RunMeter take(LaneId lane) { return std::move(m_meters.extract(lane).mapped()); }

    void onRow(const StepTrace& trace) override { m_meters.at(trace.lane).add(trace); }
    void onEvent(const LaneEvent& event) override {
        if (const auto meter = m_meters.find(event.lane); meter != m_meters.end()) meter->second.add(event);
    }
    void onStepEnd(Step /*step*/) override {}

private:
    std::map<LaneId, RunMeter> m_meters;
};

void cutText(const Experiment& experiment, const ExperimentTask& task, const Model& model, TaskSet& set) {
    const std::int64_t context = model.config.max_position_embeddings;
    const std::int64_t window = task.window > 0 ? task.window : std::min(kUsualWindow, context);
    const std::int64_t stride = task.stride > 0 ? task.stride : std::max<std::int64_t>(1, window / 2);
    const auto refuse = [&](const char* what, const char* field, std::int64_t most, std::int64_t found) {
        throw Error({.what = what,
                     .where = experiment.at("tasks") + ", task " + task.name + ", field " + field,
                     .expected = "at most " + std::to_string(most),
                     .found = std::to_string(found)});
    };
    if (window > context) refuse("The window is larger than the model's context", "window", context, window);
    if (stride > window)
        refuse("Between two windows there would be tokens that are never read", "stride", window, stride);
    cutIntoWindows(set, *model.tokenizer, window, stride, task.file.string());
}

TaskSet readTask(const Experiment& experiment, const ExperimentTask& task, const Model& model) {
    TaskSet set = readTaskSet(task.file, task.layout);
    if (task.scoresText()) cutText(experiment, task, model, set);
    if (!task.rule.empty()) set.rule = AnswerRule::parse(task.rule, task.name);
    if (task.limit > 0 && set.items.size() > static_cast<std::size_t>(task.limit))
        set.items.resize(static_cast<std::size_t>(task.limit));  // what lies beside the items may be longer
    return set;
}

/// Experts that a policy can choose; what is wrong with its text is said of the experiment's field.
std::int32_t slotsOf(const Experiment& experiment, std::size_t choice, const Model& model) {
    try {
        return parsePolicy(experiment.policies[choice], model)->maxSlots();
    } catch (const Error& error) {
        ErrorParts parts = error.parts();
        parts.where = experiment.at("policies") + ", choice " + std::to_string(choice + 1) + ", " + parts.where;
        throw Error(std::move(parts));
    }
}

}  // namespace

/// The lanes under way: a run each, replaced by the next as it ends.
struct Sweep::Batch {
    struct Run {
        RunKey key;
        LaneId lane = 0;
        std::chrono::steady_clock::time_point began;
    };

    /// `context`: tokens of a lane; 0: as many as the model has.
    Batch(const Sweep& sweep, std::int32_t lanes, std::int32_t context)
        : generation(sweep.m_loaded->model, *sweep.m_loaded->backend,
                     {.context_tokens = context, .max_lanes = lanes, .slots = sweep.m_slots}, &meters) {}

    RunMeters meters;
    Generation generation;
    std::vector<Run> runs;
};

Sweep::Sweep(std::shared_ptr<LoadedModel> loaded, Experiment experiment)
    : m_loaded(std::move(loaded)), m_experiment(std::move(experiment)), m_cells(experimentCells(m_experiment)) {
    const Model& model = m_loaded->model;
    if (!m_loaded->canChat())
        throw Error({.what = "This model has no tokenizer, so it cannot be asked",
                     .where = model.name,
                     .expected = "a model directory with tokenizer.json"});
    for (const ThinkingMode mode : m_experiment.modes) {
        if (m_loaded->possibleMode(mode) != mode)
            throw Error({.what = "The checkpoint does not have this mode",
                         .where = m_experiment.at("modes"),
                         .expected = modeName(static_cast<std::int64_t>(m_loaded->possibleMode(mode))),
                         .found = modeName(static_cast<std::int64_t>(mode))});
    }
    m_slots = static_cast<std::int32_t>(model.config.num_experts_per_tok);
    for (std::size_t choice = 0; choice < m_experiment.policies.size(); ++choice)
        m_slots = std::max(m_slots, slotsOf(m_experiment, choice, model));
    const TraceShape shape = traceShapeOf(model.config, m_slots, false);
    m_load_counts = static_cast<std::size_t>(shape.moe_layers) * static_cast<std::size_t>(shape.experts);
    for (const ExperimentTask& task : m_experiment.tasks) m_tasks.push_back(readTask(m_experiment, task, model));
    if (m_experiment.lanes.size() > 1) requireFullBatches();
}

void Sweep::requireFullBatches() const {
    const auto most = static_cast<std::size_t>(std::ranges::max(m_experiment.lanes));
    for (std::size_t task = 0; task < m_tasks.size(); ++task) {
        if (m_tasks[task].items.size() < most)
            throw Error(
                {.what = "A task has too few items to compare batches of these sizes",
                 .where = m_experiment.at("lanes"),
                 .expected = "at least " + std::to_string(most) + " items in task " + m_experiment.tasks[task].name,
                 .found = std::to_string(m_tasks[task].items.size()) + " items"});
    }
}

void SweepPause::ask(bool pause) {
    {
        const std::lock_guard lock(m_mutex);
        m_asked = pause;
    }
    m_changed.notify_all();
}

bool SweepPause::isAsked() const {
    const std::lock_guard lock(m_mutex);
    return m_asked;
}

void SweepPause::wait(const std::stop_token& stop) {
    m_holding(true);
    {
        std::unique_lock lock(m_mutex);
        m_changed.wait(lock, stop, [this] { return !m_asked; });
    }
    m_holding(false);
}

std::size_t Sweep::runCount() const {
    std::size_t count = 0;
    for (const ExperimentCell& cell : m_cells) count += items(cell);
    return count;
}

LaneSettings Sweep::settingsOf(const ExperimentCell& cell) const {
    const Experiment::Sampling& chosen = m_experiment.samplings[cell.sampling];
    LaneSettings settings;
    settings.mode = cell.mode;
    settings.budget = cell.budget;
    settings.policy = m_experiment.policies[cell.policy];
    if (scoresText(m_experiment, cell)) {
        settings.ignore_eos = true;  // a text may hold the token that ends a turn
        return settings;
    }
    settings.max_tokens = m_experiment.max_tokens;
    const bool thinks = cell.mode == ThinkingMode::kThink && cell.budget > 0;
    settings.sampling = m_loaded->sampling(thinks ? ThinkingMode::kThink : ThinkingMode::kNoThink);
    settings.sampling.greedy = chosen.greedy;
    settings.sampling.seed = cell.seed;
    if (chosen.temperature) settings.sampling.temperature = static_cast<float>(*chosen.temperature);
    if (chosen.top_p) settings.sampling.top_p = static_cast<float>(*chosen.top_p);
    if (chosen.top_k) settings.sampling.top_k = static_cast<std::int32_t>(*chosen.top_k);
    if (chosen.min_p) settings.sampling.min_p = static_cast<float>(*chosen.min_p);
    return settings;
}

void Sweep::start(Batch& batch, RunKey key) const {
    const auto began = std::chrono::steady_clock::now();
    const bool text = scoresText(m_experiment, m_cells[key.cell]);
    batch.runs.push_back({.key = key, .lane = text ? score(batch, key) : ask(batch, key), .began = began});
}

LaneId Sweep::score(Batch& batch, RunKey key) const {
    const ExperimentCell& cell = m_cells[key.cell];
    const TaskSet& text = task(cell);
    const TextWindow& window = text.windows[key.item];
    const std::span<const TokenId> ids(text.tokens);
    const auto part = [&](std::int64_t first, std::int64_t end) {
        return ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
    };
    const LaneId lane = batch.generation.addLane(settingsOf(cell));
    batch.meters.add(lane, batch.generation.traceShape());
    batch.generation.startTurn(lane, part(window.begin, window.scored), false);
    ForcedContinuation continuation{.ends_turn = true};
    for (const TokenId id : part(window.scored, window.end)) continuation.tokens.push_back({.id = id});
    batch.generation.forceContinuation(lane, std::move(continuation));
    return lane;
}

LaneId Sweep::ask(Batch& batch, RunKey key) const {
    const ExperimentCell& cell = m_cells[key.cell];
    std::vector<Message> messages;
    if (const std::string& system = m_experiment.tasks[cell.task].system; !system.empty())
        messages.push_back({Role::kSystem, system});
    messages.push_back({Role::kUser, experimentPrompt(m_experiment, cell, m_tasks[cell.task].items[key.item].prompt)});
    const TurnPlan plan = planTurn(*m_loaded, std::move(messages), settingsOf(cell));
    const std::vector<TokenId> ids = promptOf(*m_loaded, plan);
    const LaneId lane = batch.generation.addLane(plan.settings);
    batch.meters.add(lane, batch.generation.traceShape());
    batch.generation.startTurn(lane, ids, plan.thinking);
    return lane;
}

RunResult Sweep::scoreOf(RunKey key, const RunMeter& meter, const LaneStatus& status, double latency_ms) const {
    const TextWindow& window = task(m_cells[key.cell]).windows[key.item];
    RunResult result{.key = key,
                     .answer = {},
                     .followed_mode = true,
                     .prompt_tokens = status.prompt_tokens,
                     .stop_reason = status.stop_reason,
                     .latency_ms = latency_ms,
                     .measures = meter.measures()};
    result.measures.stray_tags = 0;  // tags that the text holds are no leak of the model's
    if (result.measures.scored_tokens == window.end - window.scored) {
        result.stop_reason = StopReason::kForcedEnd;  // a window may fill the context exactly
    } else {
        result.measures.nll = std::numeric_limits<double>::quiet_NaN();
    }
    return result;
}

RunResult Sweep::resultOf(RunKey key, const RunMeter& meter, const LaneStatus& status, double latency_ms) const {
    const ExperimentCell& cell = m_cells[key.cell];
    if (scoresText(m_experiment, cell)) return scoreOf(key, meter, status, latency_ms);
    const TaskSet& set = task(cell);
    RunResult result{.key = key,
                     .answer = validUtf8(m_loaded->model.tokenizer->decode(meter.answer())),
                     .judged = set.rule.kind() != AnswerKind::kNone,
                     .prompt_tokens = status.prompt_tokens,
                     .thinking_tokens = status.thinking_tokens,
                     .answer_tokens = status.answer_tokens,
                     .injected_tokens = status.injected_tokens,
                     .stop_reason = status.stop_reason,
                     .ttft_ms = status.ttft_ms,
                     .tpot_ms = status.tpot_ms,
                     .latency_ms = latency_ms,
                     .measures = meter.measures()};
    result.correct = result.judged && set.rule.correct(result.answer, set.items[key.item].reference);
    const bool should_think = cell.mode == ThinkingMode::kThink && cell.budget > 0;
    result.followed_mode = result.measures.stray_tags == 0 && should_think == (status.thinking_tokens > 0);
    return result;
}

bool Sweep::run(const std::set<RunKey>& done, const std::function<void(const RunResult&)>& finished,
                std::stop_token stop, SweepPause* pause) {
    for (std::size_t cell = 0; cell < m_cells.size(); ++cell) {
        std::vector<RunKey> waiting;  // the next one last
        for (std::size_t item = items(m_cells[cell]); item-- > 0;) {
            if (!done.contains({cell, item})) waiting.push_back({cell, item});
        }
        // A batch holds one cell only, so that its speed is the policy's.
        if (!waiting.empty() && !runCell(std::move(waiting), finished, stop, pause)) return false;
    }
    return true;
}

bool Sweep::runCell(std::vector<RunKey> waiting, const std::function<void(const RunResult&)>& finished,
                    const std::stop_token& stop, SweepPause* pause) {
    const ExperimentCell& cell = m_cells[waiting.front().cell];
    const auto lanes = std::min<std::size_t>(static_cast<std::size_t>(cell.lanes), waiting.size());
    const std::vector<TextWindow>& windows = task(cell).windows;
    const std::int64_t context = windows.empty() ? 0 : windows.front().end;  // the first one is the longest
    Batch batch(*this, static_cast<std::int32_t>(lanes), static_cast<std::int32_t>(context));
    while (!waiting.empty() || !batch.runs.empty()) {
        const bool hold = pause != nullptr && pause->isAsked();
        if (hold && batch.runs.empty()) pause->wait(stop);
        if (stop.stop_requested()) return false;
        if (hold && batch.runs.empty()) continue;
        while (!hold && batch.runs.size() < lanes && !waiting.empty()) {
            start(batch, waiting.back());
            waiting.pop_back();
        }
        batch.generation.step();
        std::erase_if(batch.runs, [&](const Batch::Run& run) {
            const LaneStatus status = batch.generation.status(run.lane);
            if (status.state != LaneState::kFinished) return false;
            const RunResult result =
                resultOf(run.key, batch.meters.take(run.lane), status, millisecondsSince(run.began));
            batch.generation.removeLane(run.lane);
            finished(result);
            return true;
        });
    }
    return true;
}

}  // namespace mixoscope
