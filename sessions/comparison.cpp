#include "sessions/comparison.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "engine/routing_policy.h"
#include "sessions/fork_change.h"
#include "sessions/probe_thread.h"
#include "sessions/prompt_chunks.h"
#include "sessions/ring_shape.h"

namespace mixoscope {

namespace {

using Clock = std::chrono::steady_clock;

/// Compared, forced and alone lanes, and lanes that only compute for a moment.
constexpr std::int32_t kMostLanes = 4 * static_cast<std::int32_t>(kMostComparedLanes);

[[noreturn]] void refuseLane(std::size_t index, const Error& error) {
    ErrorParts parts = error.parts();
    const std::string lane = "lane " + std::to_string(index);
    parts.where = parts.where.empty() ? lane : lane + ", " + parts.where;
    throw Error(std::move(parts));
}

/// Experts a row that the traces hold: what the lanes need, and room for policies that are tried while they run.
std::int32_t slotsFor(const std::vector<LaneSettings>& lanes, const Model& model) {
    int slots = static_cast<int>(std::min(model.config.num_experts, 2 * model.config.num_experts_per_tok));
    for (std::size_t index = 0; index < lanes.size(); ++index) {
        try {
            slots = std::max(slots, parsePolicy(lanes[index].policy, model)->maxSlots());
        } catch (const Error& error) {
            refuseLane(index, error);
        }
    }
    return slots;
}

}  // namespace

Comparison::Comparison(std::shared_ptr<LoadedModel> loaded, ComparisonPrompt prompt,
                       const std::vector<LaneSettings>& lanes, Options options)
    : m_loaded(std::move(loaded)),
      m_prompt(std::move(prompt)),
      m_options(std::move(options)),
      m_ring([&] {
          const TraceShape shape = tracedShape(m_loaded->model.config, slotsFor(lanes, m_loaded->model));
          return std::make_shared<TraceRing>(shape, ringSlots(shape));
      }()),
      m_sinks(*m_ring, m_options.also),
      m_recorder_reader(m_ring->makeReader()),
      m_measures(m_ring->shape(), m_loaded->model.expertBytes()) {
    const Model& model = m_loaded->model;
    if (lanes.size() < kFewestComparedLanes || lanes.size() > kMostComparedLanes)
        throw Error({.what = "A comparison has another number of lanes",
                     .expected = std::to_string(kFewestComparedLanes) + " to " + std::to_string(kMostComparedLanes),
                     .found = std::to_string(lanes.size())});
    const GenerationLimits limits{.max_lanes = kMostLanes,
                                  .lanes_per_step = static_cast<std::int32_t>(kMostComparedLanes),
                                  .slots = m_ring->shape().slots};
    m_generation = std::make_unique<Generation>(model, *m_loaded->backend, limits, &m_sinks);
    m_draft.messages = m_prompt.messages;
    m_draft.bootstrap_seed = m_options.bootstrap_seed;
    for (std::size_t index = 0; index < lanes.size(); ++index) {
        try {
            ComparedLane lane = seat(lanes[index]);
            lane.started_with_run = true;
            if (index < m_options.tags.size()) lane.origin.tag = m_options.tags[index];
            const Turn turn = turnOf(lanes[index]);
            if (static_cast<std::int32_t>(turn.prompt.size()) >= m_generation->contextTokens())
                throw Error({.what = "The prompt is too long for the context",
                             .expected = "at most " + std::to_string(m_generation->contextTokens() - 1) + " tokens",
                             .found = std::to_string(turn.prompt.size()) + " tokens"});
            m_draft.lanes.push_back(std::move(lane));
        } catch (const Error& error) {
            refuseLane(index, error);
        }
    }
    auto aggregates = std::make_unique<Aggregates>(
        m_ring->shape(), model.config.norm_topk_prob, [keep = m_loaded](TokenId id) { return keep->tokenBytes(id); },
        static_cast<std::int32_t>(model.config.num_experts_per_tok));
    m_probes = std::make_unique<ProbeThread>(m_ring, std::move(aggregates), [this](std::vector<LaneSnapshot> measured) {
        lanesMeasured(std::move(measured));
    });
}

Comparison::~Comparison() = default;

// --- lanes -----------------------------------------------------------------------------------------------------------

bool Comparison::mayThink(const LaneSettings& settings) const {
    if (!m_prompt.messages.empty()) return planTurn(*m_loaded, m_prompt.messages, settings).thinking;
    return m_prompt.ids_may_think && m_loaded->possibleMode(settings.mode) != ThinkingMode::kNoThink;
}

Comparison::Turn Comparison::turnOf(const LaneSettings& settings) const {
    if (m_prompt.messages.empty()) {
        Turn turn{.settings = settings, .prompt = m_prompt.ids, .thinking = mayThink(settings)};
        turn.settings.mode = m_loaded->possibleMode(settings.mode);
        return turn;
    }
    const TurnPlan plan = planTurn(*m_loaded, m_prompt.messages, settings);
    return {.settings = plan.settings, .prompt = promptOf(*m_loaded, plan), .thinking = plan.thinking};
}

std::int32_t Comparison::chunkFor(const std::string& policy) const {
    return dependsOnChunks(policy, m_loaded->model.config) ? m_generation->prefillChunk() : 0;
}

std::vector<std::string> Comparison::notesFor(const LaneSettings& settings) const {
    std::vector<std::string> notes;
    if (const std::int32_t chunk = chunkFor(settings.policy); chunk > 0) {
        notes.push_back(chunkNote(chunk));
        notes.emplace_back("capacity: acts on the prompt and on injected text only");
    }
    if (!mayThink(settings) && settings.budget != kUnlimitedBudget && settings.budget != 0)
        notes.emplace_back("budget: not in no_think mode");
    return notes;
}

/// A lane that is not running yet. Throws Error for settings that make no sense.
ComparedLane Comparison::seat(const LaneSettings& settings) const {
    m_generation->checkSettings(settings);
    ComparedLane lane;
    lane.origin.lane = -1;
    lane.origin.role = LaneRole::kCompared;
    lane.origin.tag = freeTag();
    lane.origin.settings = settings;
    lane.settings = settings;
    lane.notes = notesFor(settings);
    lane.prefill_chunk = chunkFor(settings.policy);
    return lane;
}

std::int32_t Comparison::freeTag() const {
    std::int32_t tag = 0;
    while (std::ranges::any_of(m_draft.lanes, [&](const ComparedLane& lane) { return lane.origin.tag == tag; })) ++tag;
    return tag;
}

ComparedLane* Comparison::seatOf(std::int32_t tag) {
    const auto found =
        std::ranges::find_if(m_draft.lanes, [&](const ComparedLane& lane) { return lane.origin.tag == tag; });
    return found == m_draft.lanes.end() ? nullptr : &*found;
}

/// Tells probes and session of a lane before its first record.
void Comparison::introduce(const LaneOrigin& origin) {
    m_probes->setSettings(origin.lane, origin.settings);
    if (m_recorder) m_recorder->addLane(origin);
}

void Comparison::startTurn(std::int32_t tag, Turn turn) {
    const LaneId id = m_generation->addLane(turn.settings);
    LaneOrigin origin;
    {
        const std::lock_guard lock(m_mutex);
        ComparedLane& lane = *seatOf(tag);
        lane.origin.lane = id;
        lane.origin.settings = turn.settings;
        origin = lane.origin;
    }
    introduce(origin);
    m_generation->startTurn(id, turn.prompt, turn.thinking);
    m_turns[tag] = std::move(turn);
}

/// Starts a lane's turn, or lets it wait for one that computes the same prompt under the same policy.
void Comparison::startLane(std::int32_t tag) {
    LaneSettings settings;
    std::vector<LaneId> running;
    {
        const std::lock_guard lock(m_mutex);
        settings = seatOf(tag)->settings;
    }
    Turn turn = turnOf(settings);
    const auto policy = parsePolicy(turn.settings.policy, m_loaded->model);
    const bool shareable = !policy->dependsOnHistory() && turn.prompt.size() > 1;
    for (const auto& [other, theirs] : m_turns) {
        const std::string their_policy = parsePolicy(theirs.settings.policy, m_loaded->model)->text();
        if (!shareable || their_policy != policy->text() || theirs.prompt != turn.prompt) continue;
        const std::lock_guard lock(m_mutex);
        const ComparedLane* leader = seatOf(other);
        if (leader == nullptr || leader->origin.role != LaneRole::kCompared) continue;
        m_waiting.push_back({.tag = tag, .leader = leader->origin.lane, .turn = std::move(turn)});
        return;
    }
    startTurn(tag, std::move(turn));
}

/// Starts the lanes whose prompt was computed by another: from its pages. Where that came to nothing they compute their
/// own.
void Comparison::startWaiting() {
    std::vector<Waiting> still;
    for (Waiting& waiting : std::exchange(m_waiting, {})) {
        const auto prompt_tokens = static_cast<std::int32_t>(waiting.turn.prompt.size());
        const bool there = m_generation->hasLane(waiting.leader);
        if (there && m_generation->status(waiting.leader).state == LaneState::kPrefill) {
            still.push_back(std::move(waiting));
            continue;
        }
        LaneSettings wanted;
        {
            const std::lock_guard lock(m_mutex);
            wanted = seatOf(waiting.tag)->settings;
        }
        const Turn turn = turnOf(wanted);
        const std::string policy = parsePolicy(turn.settings.policy, m_loaded->model)->text();
        const bool computed = there && turn.prompt == waiting.turn.prompt &&
                              m_generation->policyAt(waiting.leader, 0) == policy &&
                              m_generation->policyAt(waiting.leader, prompt_tokens - 1) == policy;
        if (!computed) {
            startTurn(waiting.tag, turn);
            continue;
        }
        const LaneId id = m_generation->forkLane(waiting.leader, prompt_tokens, turn.settings);
        LaneOrigin origin;
        {
            const std::lock_guard lock(m_mutex);
            ComparedLane& lane = *seatOf(waiting.tag);
            lane.origin.lane = id;
            lane.origin.settings = turn.settings;
            origin = lane.origin;
        }
        introduce(origin);
        m_turns[waiting.tag] = turn;
    }
    m_waiting = std::move(still);
}

// --- what is started -------------------------------------------------------------------------------------------------

void Comparison::startRun() {
    assert(!m_run);
    m_run = true;
    m_stopping = false;
    if (!m_options.record.empty()) {
        RecordingOptions recording;
        recording.file = m_options.record;
        recording.model = m_loaded->identity;
        recording.model.shape = m_ring->shape();
        recording.metadata = m_options.metadata;
        recording.metadata["bootstrap_seed"] = std::to_string(m_options.bootstrap_seed);
        recording.metadata["prefill_chunk"] = std::to_string(m_generation->prefillChunk());
        recording.token_bytes = [keep = m_loaded](TokenId id) { return keep->tokenBytes(id); };
        recording.expert_bytes = m_loaded->model.expertBytes();
        recording.status_changed = m_options.recorder_changed;
        auto recorder = std::make_shared<Recorder>(std::move(recording), m_ring, m_recorder_reader);
        ThinkingMode mode{};
        {
            const std::lock_guard lock(m_mutex);
            m_recorder = std::move(recorder);
            mode = m_draft.lanes.front().settings.mode;
        }
        for (const Message& message : m_prompt.messages) m_recorder->addMessage(0, message.role, message.content, mode);
    }
    std::vector<std::int32_t> tags;
    {
        const std::lock_guard lock(m_mutex);
        m_draft.state = ComparisonState::kRunning;
        m_draft.done = m_draft.total = 0;
        for (const ComparedLane& lane : m_draft.lanes) tags.push_back(lane.origin.tag);
    }
    for (const std::int32_t tag : tags) startLane(tag);
    publish();
}

void Comparison::startFork(const ForkRequest& request) {
    ComparedLane fork;
    std::int32_t parent_tag = -1;
    {
        const std::lock_guard lock(m_mutex);
        const auto parent = std::ranges::find_if(
            m_draft.lanes, [&](const ComparedLane& lane) { return lane.origin.lane == request.lane; });
        if (parent == m_draft.lanes.end())
            throw Error({.what = "This lane cannot be forked",
                         .expected = "a lane of the comparison",
                         .found = std::to_string(request.lane)});
        if (m_draft.lanes.size() >= kMostComparedLanes)
            throw Error({.what = "There is no room for another lane",
                         .expected = "at most " + std::to_string(kMostComparedLanes) + " lanes",
                         .advice = "Remove a lane first"});
        parent_tag = parent->origin.tag;
        fork = seat(request.settings);
        fork.started_with_run = false;
    }
    m_stopping = false;
    const LaneOrigin origin = forkAt(*m_generation, request, *m_loaded, fork.origin.tag);
    fork.origin = origin;
    m_turns[origin.tag] = m_turns.at(parent_tag);
    {
        const std::lock_guard lock(m_mutex);
        m_draft.lanes.push_back(std::move(fork));
        m_draft.state = ComparisonState::kRunning;
        m_draft.done = m_draft.total = 0;
        m_draft.error.reset();
    }
    introduce(origin);
    publish();
}

// --- steps -----------------------------------------------------------------------------------------------------------

bool Comparison::decoding() const {
    return std::ranges::none_of(m_generation->lanes(),
                                [&](LaneId lane) { return m_generation->status(lane).state == LaneState::kPrefill; });
}

bool Comparison::step() {
    takeRequests();
    startWaiting();
    const bool counts = decoding();
    const GenerationTimes before = m_generation->times();
    const Clock::time_point start = Clock::now();
    const bool stepped = m_generation->step();
    if (stepped) {
        const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
        const bool running = state() == ComparisonState::kRunning;
        if (counts && running) countSpeed(elapsed.count(), m_generation->times().rows - before.rows);
        if (m_forced && m_forced->judge()) {
            const std::lock_guard lock(m_mutex);
            ++m_draft.done;
        }
        if (m_options.wait_for_readers) keepReaders();
        return true;
    }
    if (!m_waiting.empty()) return true;  // they start with the next step
    if (!m_alone_due.empty() && startNextAlone()) {
        const std::lock_guard lock(m_mutex);
        ++m_draft.done;
        return true;
    }
    finish();
    return false;
}

void Comparison::countSpeed(double elapsed_ms, std::int64_t tokens) {
    m_decode_ms += elapsed_ms;
    m_decode_steps += 1;
    m_decode_tokens += tokens;
    const std::lock_guard lock(m_mutex);
    m_draft.step_ms = m_decode_ms / static_cast<double>(m_decode_steps);
    m_draft.tokens_per_s = m_decode_ms > 0.0 ? static_cast<double>(m_decode_tokens) / m_decode_ms * 1000.0 : -1.0;
}

void Comparison::finish() {
    m_probes->catchUp();
    keepJudgements();
    {
        const std::lock_guard lock(m_mutex);
        if (m_draft.state == ComparisonState::kMeasuringAlone && !m_stopping) m_draft.done = m_draft.total;
        m_draft.state = ComparisonState::kReady;
        m_measures.measure(m_measured, m_draft);
    }
    publish();
}

/// Waits for probes and recorder when they are far behind.
void Comparison::keepReaders() {
    if (m_ring->written() - m_read_up_to < m_ring->capacity() / 2) return;
    m_probes->catchUp();
    if (m_recorder) m_recorder->flush();
    m_read_up_to = m_ring->written();
}

}  // namespace mixoscope
