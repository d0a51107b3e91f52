#include "engine/generation.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/host_processor.h"
#include "engine/lane.h"
#include "engine/settings_json.h"

namespace mixoscope {

namespace {

using Clock = Lane::Clock;

std::int64_t microseconds(Clock::duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

double milliseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

std::vector<TokenId> endOfTurnTokens(const Model& model) {
    std::vector<TokenId> ids = model.generation_config.eos_token_ids;
    if (ids.empty() && model.tokenizer) {
        if (const auto end = model.tokenizer->find("<|im_end|>")) ids.push_back(*end);
    }
    return ids;
}

std::int64_t contextOf(const Model& model, const GenerationLimits& limits) {
    const std::int64_t largest = model.config.max_position_embeddings;
    return limits.context_tokens > 0 ? std::min<std::int64_t>(limits.context_tokens, largest) : largest;
}

std::int32_t lanesPerStep(const GenerationLimits& limits) {
    return limits.lanes_per_step > 0 ? std::min(limits.lanes_per_step, limits.max_lanes) : limits.max_lanes;
}

std::int32_t rowsPerStep(const GenerationLimits& limits) {
    const std::int32_t most = lanesPerStep(limits) * limits.prefill_chunk;
    return limits.rows_per_step > 0 ? std::clamp(limits.rows_per_step, limits.prefill_chunk, most) : most;
}

/// Pages of the pool: what the lanes can need, no more than asked for, and what the processor has room for.
std::int64_t pagesOf(const Model& model, const Processor& processor, const GenerationLimits& limits,
                     const ForwardLimits& forward) {
    const std::int64_t needed = kvPagesFor(contextOf(model, limits)) * limits.max_lanes;
    const std::int64_t allowed = limits.kv_bytes > 0 ? limits.kv_bytes : processor.roomForKeysAndValues(forward);
    const std::int64_t pages = std::min(needed, allowed / kvPageBytes(model.config));
    if (pages > 0) return pages;
    throw Error({.what = "Not enough memory for the KV cache",
                 .expected = "at least " + std::to_string(kvPageBytes(model.config)) + " bytes, one page of " +
                             std::to_string(kernels::kKvPageTokens) + " tokens",
                 .found = std::to_string(allowed) + " bytes"});
}

std::unique_ptr<ForwardPass> makeForwardPass(const Model& model, Processor& processor, const GenerationLimits& limits,
                                             const TraceShape& shape) {
    const ForwardLimits forward{.rows = rowsPerStep(limits), .logit_rows = lanesPerStep(limits), .slots = shape.slots};
    return processor.makeForwardPass(model, forward, pagesOf(model, processor, limits, forward));
}

void setText(LaneEvent& event, std::string_view text) {
    std::size_t length = std::min(text.size(), sizeof(event.text) - 1);
    // Never cut a character: step back over continuation bytes.
    while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
    std::copy_n(text.data(), length, event.text);
    event.text[length] = '\0';
}

}  // namespace

struct Generation::Impl {
    Impl(const Model& generation_model, Processor& processor, const GenerationLimits& generation_limits,
         TraceSink* trace_sink);

    Lane& lane(LaneId id);
    const Lane& lane(LaneId id) const { return const_cast<Impl*>(this)->lane(id); }
    std::shared_ptr<LaneRequests> requestsOf(LaneId id);
    Lane& newLane(const LaneSettings& settings, Traced traced);
    void checkIds(std::span<const TokenId> ids, const char* what) const;
    void checkRecorded(const RecordedTurn& turn) const;
    std::vector<Lane::RecordedPolicy> recordedPolicies(const Lane& lane, const RecordedTurn& turn) const;

    void emit(const Lane& lane, LaneEventKind kind, std::int64_t old_value, std::int64_t value,
              std::string_view text = {});
    void emitAt(const Lane& lane, Step at, std::int64_t position, LaneEventKind kind, std::int64_t old_value,
                std::int64_t value, std::string_view text);
    void finish(Lane& lane, StopReason reason);
    void emitChanges(const Lane& lane, const LaneSettings& now, const LaneSettings& before, bool after_forward);
    void applySettings(Lane& lane, PreparedSettings& settings, bool after_forward);
    void applyRequests(Lane& lane, bool after_forward);
    void addRows(Lane& lane);
    void chooseNext(const kernels::RowsIn& logits);
    void choose(Lane& lane, std::span<const float> logits);
    void giveRows(Clock::time_point end, std::int32_t step_us);
    bool step();

    /// The rows of one lane in the step under way: [first, first + rows) of the batch.
    struct Share {
        Lane* lane = nullptr;
        std::size_t first = 0;
        std::size_t rows = 0;
        std::size_t position = 0;  // of the first
        bool wants_logits = false;
        bool told = true;  // its rows are given to the sink
    };

    const Model& model;
    GenerationLimits limits;
    TraceSink* sink;
    TraceShape shape;
    std::unique_ptr<ForwardPass> forward_pass;
    KvCache& cache;
    LaneContext context;
    std::optional<RoutingRecord> record;
    Sampler sampler;

    std::mutex lanes_mutex;  // guards the table for request…() of other threads; only the driving thread changes it
    std::map<LaneId, std::unique_ptr<Lane>> lanes;
    LaneId next_lane = 0;

    std::vector<ForwardRow> batch;
    std::vector<Share> shares;
    Step current_step = 0;
    std::int64_t serial = 0;
    Clock::time_point began = Clock::now();
    GenerationTimes times;
};

Generation::Impl::Impl(const Model& generation_model, Processor& processor, const GenerationLimits& generation_limits,
                       TraceSink* trace_sink)
    : model(generation_model),
      limits(generation_limits),
      sink(trace_sink),
      shape(traceShapeOf(model.config, limits.slots, limits.distributions)),
      forward_pass(makeForwardPass(model, processor, limits, shape)),
      cache(forward_pass->cache()),
      context{.model = model,
              .thinking_tokens = thinkingTokens(model),
              .end_of_turn = endOfTurnTokens(model),
              .tokens = static_cast<std::size_t>(
                  std::min(contextOf(model, limits), cache.pageCount() * kernels::kKvPageTokens))},
      sampler(model.config.vocab_size) {
    assert(limits.max_lanes > 0 && limits.prefill_chunk > 0);
    const auto most_shares = static_cast<std::size_t>(lanesPerStep(limits));
    const auto rows = static_cast<std::size_t>(rowsPerStep(limits));
    if (sink != nullptr) record.emplace(shape, static_cast<std::int64_t>(rows));
    batch.reserve(rows);
    shares.reserve(most_shares);
}

void Generation::Impl::checkIds(std::span<const TokenId> ids, const char* what) const {
    for (std::size_t index = 0; index < ids.size(); ++index) {
        if (ids[index] >= 0 && ids[index] < model.config.vocab_size) continue;
        throw Error({.what = what,
                     .where = "token " + std::to_string(index),
                     .expected = "0 to " + std::to_string(model.config.vocab_size - 1),
                     .found = std::to_string(ids[index])});
    }
}

void Generation::Impl::checkRecorded(const RecordedTurn& turn) const {
    const auto refuse = [](const char* what, const std::string& expected, std::size_t found) {
        throw Error({.what = what, .where = "recorded turn", .expected = expected, .found = std::to_string(found)});
    };
    const std::size_t count = turn.tokens.size();
    const auto prompt = static_cast<std::size_t>(std::max(turn.prompt_tokens, 0));
    if (count == 0 || count > context.tokens)
        refuse("The recorded turn has no room in the context", "1 to " + std::to_string(context.tokens) + " tokens",
               count);
    if (prompt == 0 || prompt > count)
        refuse("The recorded turn does not hold its prompt", "1 to " + std::to_string(count) + " tokens", prompt);
    if (turn.steps.size() > count)
        refuse("The recorded turn has more rows than tokens", "at most " + std::to_string(count), turn.steps.size());
    if (turn.policies.empty() || turn.policies.front().first != 0)
        refuse("The recorded turn does not say how its rows were routed", "a policy from position 0 on",
               turn.policies.size());
    std::vector<TokenId> ids;
    for (const TokenTrace& token : turn.tokens) ids.push_back(token.id);
    checkIds(ids, "The recorded turn holds an id that the model does not know");
}

std::vector<Lane::RecordedPolicy> Generation::Impl::recordedPolicies(const Lane& lane, const RecordedTurn& turn) const {
    std::vector<Lane::RecordedPolicy> policies;
    const auto add = [&](std::size_t first, const std::string& text) {
        LaneSettings settings = lane.settings().settings;
        settings.policy = text;
        policies.push_back(
            {.first = first, .routing = prepareSettings(model, settings, shape.slots, limits.prefill_chunk).routing});
    };
    for (const RecordedTurn::PolicyFrom& policy : turn.policies)
        add(static_cast<std::size_t>(std::max(policy.first, 0)), policy.policy);
    const std::string& in_force = lane.settings().settings.policy;
    if (policies.back().routing->policy().text() != in_force) add(turn.steps.size(), in_force);
    return policies;
}

Lane& Generation::Impl::lane(LaneId id) {
    const auto found = lanes.find(id);
    assert(found != lanes.end());
    return *found->second;
}

std::shared_ptr<LaneRequests> Generation::Impl::requestsOf(LaneId id) {
    const std::scoped_lock lock(lanes_mutex);
    const auto found = lanes.find(id);
    return found == lanes.end() ? nullptr : found->second->sharedRequests();
}

Lane& Generation::Impl::newLane(const LaneSettings& settings, Traced traced) {
    if (std::ssize(lanes) >= limits.max_lanes) {
        throw Error({.what = "There is no room for another lane",
                     .expected = "at most " + std::to_string(limits.max_lanes) + " lanes"});
    }
    auto created = std::make_unique<Lane>(context, next_lane, KvSequence(cache),
                                          prepareSettings(model, settings, shape.slots, limits.prefill_chunk), traced);
    const std::scoped_lock lock(lanes_mutex);
    return *lanes.emplace(next_lane++, std::move(created)).first->second;
}

void Generation::Impl::emitAt(const Lane& lane, Step at, std::int64_t position, LaneEventKind kind,
                              std::int64_t old_value, std::int64_t value, std::string_view text) {
    if (sink == nullptr || lane.traced() == Traced::kNo) return;
    LaneEvent event;
    event.serial = serial++;
    event.step = at;
    event.time_us = microseconds(Clock::now() - began);
    event.lane = lane.id();
    event.position = static_cast<std::int32_t>(position);
    event.kind = kind;
    event.old_value = old_value;
    event.value = value;
    setText(event, text);
    sink->onEvent(event);
}

void Generation::Impl::emit(const Lane& lane, LaneEventKind kind, std::int64_t old_value, std::int64_t value,
                            std::string_view text) {
    emitAt(lane, current_step, std::ssize(lane.ids()), kind, old_value, value, text);
}

void Generation::Impl::finish(Lane& lane, StopReason reason) {
    if (reason == StopReason::kStopped) emit(lane, LaneEventKind::kStopped, 0, 0);
    emit(lane, LaneEventKind::kFinished, lane.blockOpen() ? 1 : 0, static_cast<std::int64_t>(reason));
    lane.finish(reason);
}

void Generation::Impl::applySettings(Lane& lane, PreparedSettings& settings, bool after_forward) {
    lane.replaceSettings(settings);
    emitChanges(lane, lane.settings().settings, settings.settings, after_forward);
}

void Generation::Impl::emitChanges(const Lane& lane, const LaneSettings& now, const LaneSettings& before,
                                   bool after_forward) {
    if (now.budget != before.budget) emit(lane, LaneEventKind::kBudgetChanged, before.budget, now.budget);
    if (now.mode != before.mode) {
        emit(lane, LaneEventKind::kModeChanged, static_cast<std::int64_t>(before.mode),
             static_cast<std::int64_t>(now.mode));
    }
    if (now.policy != before.policy) {
        // The rows of this step are already computed: the next one is the first under the new policy.
        emitAt(lane, current_step + (after_forward ? 1 : 0), static_cast<std::int64_t>(lane.told()),
               LaneEventKind::kPolicyChanged, 0, 0, now.policy);
    }
    if (now.sampling != before.sampling)
        emit(lane, LaneEventKind::kSamplingChanged, 0, 0, samplingToJson(now.sampling));
    if (now.early_stop != before.early_stop)
        emit(lane, LaneEventKind::kEarlyStopChanged, 0, 0, earlyStopToJson(now.early_stop));
    if (now.max_tokens != before.max_tokens)
        emit(lane, LaneEventKind::kMaxTokensChanged, before.max_tokens, now.max_tokens);
    if (now.ignore_eos != before.ignore_eos)
        emit(lane, LaneEventKind::kIgnoreEosChanged, before.ignore_eos ? 1 : 0, now.ignore_eos ? 1 : 0);
}

void Generation::Impl::applyRequests(Lane& lane, bool after_forward) {
    if (lane.active() && lane.catchingUp()) {
        if (!lane.requests().takeStop()) return;
        if (!lane.endWasRecorded()) return finish(lane, StopReason::kStopped);
        return lane.finish(lane.closingReason());
    }
    LaneRequests::Taken taken = lane.requests().take();
    if (taken.settings) applySettings(lane, *taken.settings, after_forward);
    if (!lane.active()) return;
    if (taken.answer_now) lane.answerNow();
    if (!taken.stop) return;
    if (after_forward) {
        lane.close(StopReason::kStopped);  // its rows come first
    } else {
        finish(lane, StopReason::kStopped);
    }
}

/// Puts the lane's next rows into the batch; where there is no room for them it waits for a later step.
void Generation::Impl::addRows(Lane& lane) {
    const std::size_t rows = lane.rowsOfNextStep(static_cast<std::size_t>(limits.prefill_chunk));
    assert(rows > 0);
    if (std::ssize(shares) == lanesPerStep(limits) ||
        std::ssize(batch) + static_cast<std::ptrdiff_t>(rows) > rowsPerStep(limits))
        return;
    if (!lane.kv().extend(static_cast<std::int64_t>(rows))) {
        finish(lane, StopReason::kContextFull);
        return;
    }
    const Share share{.lane = &lane,
                      .first = batch.size(),
                      .rows = rows,
                      .position = lane.computed(),
                      .wants_logits = lane.computed() + rows == lane.size(),
                      .told = !lane.catchingUp()};
    for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t position = share.position + row;
        const TokenTrace& token = lane.token(position);
        batch.push_back({.token = token.id,
                         .sequence = {.pages = lane.kv().pages(), .position = static_cast<std::int64_t>(position)},
                         .routing = lane.settings().routing.get(),
                         .wants_logits = share.wants_logits && row + 1 == rows,
                         .phase = token.phase,
                         .token_flags = token.flags,
                         .logprob = token.logprob});
    }
    shares.push_back(share);
}

void Generation::Impl::choose(Lane& lane, std::span<const float> logits) {
    const std::int32_t thought = lane.thinkingTokens();
    const auto position = std::ssize(lane.ids());
    switch (lane.choose(logits, sampler)) {
        case Lane::Choice::kBudgetReached:
            emitAt(lane, current_step, position, LaneEventKind::kBudgetReached, 0, thought, {});
            break;
        case Lane::Choice::kAnsweredByHand:
            emitAt(lane, current_step, position, LaneEventKind::kAnswerNow, 0, thought, {});
            break;
        case Lane::Choice::kNoDistribution:
            lane.close(StopReason::kError);
            break;
        case Lane::Choice::kSampled:
        case Lane::Choice::kForced:
        case Lane::Choice::kEndOfTurn:
            break;
    }
}

void Generation::Impl::chooseNext(const kernels::RowsIn& logits) {
    std::int64_t wanted = 0;
    for (const Share& share : shares) {
        Lane& lane = *share.lane;
        lane.fed(share.rows);
        if (!share.wants_logits) continue;
        const std::span<const float> row(logits.row(wanted++), static_cast<std::size_t>(logits.columns));
        applyRequests(lane, true);
        if (!lane.closing()) choose(lane, row);
    }
}

void Generation::Impl::giveRows(Clock::time_point end, std::int32_t step_us) {
    StepTrace trace;
    trace.step = current_step;
    trace.rows_in_step = static_cast<std::int32_t>(batch.size());
    trace.step_end_us = microseconds(end - began);
    trace.step_us = step_us;
    for (const Share& share : shares) {
        const Lane& lane = *share.lane;
        if (lane.traced() == Traced::kNo || !share.told) continue;
        trace.lane = lane.id();
        for (std::size_t row = 0; row < share.rows; ++row) {
            const std::size_t position = share.position + row;
            const auto index = static_cast<std::int64_t>(share.first + row);
            trace.serial = serial++;
            trace.token = lane.token(position);
            const bool chosen = position + 1 < lane.size() && position + 1 >= lane.promptLength();
            trace.next = chosen ? lane.token(position + 1) : TokenTrace{};
            trace.expert_ids = record->expertIds(index);
            trace.expert_weights = record->expertWeights(index);
            trace.router = record->router(index);
            trace.distributions = record->distributions(index);
            sink->onRow(trace);
        }
    }
}

bool Generation::Impl::step() {
    const Clock::time_point start = Clock::now();
    batch.clear();
    shares.clear();
    for (const auto& [id, lane] : lanes) {
        applyRequests(*lane, false);
        if (lane->active()) addRows(*lane);
    }
    if (batch.empty()) return false;
    const kernels::RowsIn logits = forward_pass->run(batch, record ? &*record : nullptr);
    chooseNext(logits);
    const Clock::time_point end = Clock::now();
    for (const Share& share : shares) {
        if (share.wants_logits) share.lane->tokenChosenAt(end);
    }
    if (sink != nullptr) giveRows(end, static_cast<std::int32_t>(microseconds(end - start)));
    for (const Share& share : shares) {
        const auto reason = share.lane->dueToFinish();
        if (!reason) continue;
        if (share.lane->endWasRecorded()) {
            share.lane->finish(*reason);
        } else {
            finish(*share.lane, *reason);
        }
    }
    times.steps += 1;
    times.rows += std::ssize(batch);
    times.step_ms += milliseconds(end - start);
    // A step that only computes recorded rows again is none of the record.
    if (std::ranges::none_of(shares, &Share::told)) return true;
    if (sink != nullptr) {
        sink->onStepEnd(current_step);
        times.sink_ms += milliseconds(Clock::now() - end);
    }
    ++current_step;
    return true;
}

Generation::Generation(const Model& model, Processor& processor, const GenerationLimits& limits, TraceSink* sink)
    : m_impl(std::make_unique<Impl>(model, processor, limits, sink)) {}

Generation::Generation(const Model& model, kernels::Backend& backend, const GenerationLimits& limits, TraceSink* sink) {
    HostProcessor processor(backend);  // what it makes does not need it any more
    m_impl = std::make_unique<Impl>(model, processor, limits, sink);
}

Generation::~Generation() = default;

TraceShape Generation::traceShape() const {
    return m_impl->shape;
}

std::int32_t Generation::prefillChunk() const {
    return m_impl->limits.prefill_chunk;
}

std::int32_t Generation::contextTokens() const {
    return static_cast<std::int32_t>(m_impl->context.tokens);
}

LaneId Generation::addLane(const LaneSettings& settings, Traced traced) {
    return m_impl->newLane(settings, traced).id();
}

void Generation::removeLane(LaneId lane) {
    const std::scoped_lock lock(m_impl->lanes_mutex);
    m_impl->lanes.erase(lane);
}

LaneId Generation::forkLane(LaneId lane, std::int32_t tokens, const LaneSettings& settings, Traced traced) {
    const Lane& source = m_impl->lane(lane);
    if (tokens < 1 || static_cast<std::size_t>(tokens) > source.size()) {
        throw Error({.what = "A lane cannot be forked there",
                     .expected = "1 to " + std::to_string(source.size()) + " tokens",
                     .found = std::to_string(tokens)});
    }
    Lane& copy = m_impl->newLane(settings, traced);
    copy.copyFrom(source, static_cast<std::size_t>(tokens));
    m_impl->emit(copy, LaneEventKind::kForked, static_cast<std::int64_t>(copy.computed()), lane);
    m_impl->emitChanges(copy, copy.settings().settings, source.settings().settings, false);
    if (copy.active()) {
        m_impl->emit(copy, LaneEventKind::kTurnStarted, static_cast<std::int64_t>(copy.computed()),
                     static_cast<std::int64_t>(copy.promptLength()));
    }
    return copy.id();
}

void Generation::startTurn(LaneId id, std::span<const TokenId> prompt, bool thinking) {
    Lane& lane = m_impl->lane(id);
    if (prompt.empty()) throw Error({.what = "The prompt is empty", .expected = "at least one token"});
    if (prompt.size() >= m_impl->context.tokens) {
        throw Error({.what = "The prompt is too long for the context",
                     .expected = "at most " + std::to_string(m_impl->context.tokens - 1) + " tokens",
                     .found = std::to_string(prompt.size()) + " tokens"});
    }
    m_impl->checkIds(prompt, "The prompt holds an id that the model does not know");
    m_impl->model.checkFiles();
    if (lane.active()) m_impl->finish(lane, StopReason::kStopped);
    LaneRequests::Taken taken = lane.requests().take();  // what was said to the last turn does not act on this one
    if (taken.settings) m_impl->applySettings(lane, *taken.settings, false);
    const std::size_t kept = lane.startTurn(prompt, thinking);
    m_impl->emitAt(lane, m_impl->current_step, static_cast<std::int64_t>(kept), LaneEventKind::kTurnStarted,
                   static_cast<std::int64_t>(kept), static_cast<std::int64_t>(prompt.size()), {});
}

void Generation::resumeTurn(LaneId id, const RecordedTurn& turn) {
    Lane& lane = m_impl->lane(id);
    assert(lane.size() == 0);
    m_impl->checkRecorded(turn);
    m_impl->model.checkFiles();
    const PreparedSettings recorded =
        prepareSettings(m_impl->model, turn.settings, m_impl->shape.slots, m_impl->limits.prefill_chunk);
    const LaneSettings now = lane.settings().settings;
    lane.resume(turn, m_impl->recordedPolicies(lane, turn), !m_impl->forward_pass->sameBitsInAnySteps());
    m_impl->serial = turn.next_serial;
    m_impl->current_step = turn.next_step;
    m_impl->began = Clock::now() - std::chrono::microseconds(turn.time_us);
    m_impl->emitChanges(lane, now, recorded.settings, false);
}

void Generation::forceContinuation(LaneId lane, ForcedContinuation continuation) {
    std::vector<TokenId> ids;
    for (const ForcedContinuation::Token& token : continuation.tokens) ids.push_back(token.id);
    m_impl->checkIds(ids, "The tokens to go on with hold an id that the model does not know");
    m_impl->lane(lane).force(std::move(continuation));
}

bool Generation::step() {
    return m_impl->step();
}

void Generation::run(std::stop_token stop) {
    while (!stop.stop_requested() && m_impl->step()) {
    }
}

LaneStatus Generation::status(LaneId lane) const {
    return m_impl->lane(lane).status();
}

bool Generation::hasLane(LaneId lane) const {
    return m_impl->lanes.contains(lane);
}

std::vector<LaneId> Generation::lanes() const {
    std::vector<LaneId> ids;
    for (const auto& [id, lane] : m_impl->lanes) ids.push_back(id);
    return ids;
}

LaneSettings Generation::settings(LaneId lane) const {
    return m_impl->lane(lane).settings().settings;
}

std::vector<TokenId> Generation::tokens(LaneId lane) const {
    const std::span<const TokenId> ids = m_impl->lane(lane).ids();
    return {ids.begin(), ids.end()};
}

TokenTrace Generation::token(LaneId lane, std::int32_t position) const {
    return m_impl->lane(lane).token(static_cast<std::size_t>(position));
}

std::string Generation::policyAt(LaneId lane, std::int32_t position) const {
    return m_impl->lane(lane).policyAt(static_cast<std::size_t>(position));
}

std::span<const float> Generation::lastLogits(LaneId lane) const {
    return m_impl->lane(lane).logits();
}

GenerationTimes Generation::times() const {
    return m_impl->times;
}

void Generation::checkSettings(const LaneSettings& settings) const {
    prepareSettings(m_impl->model, settings, m_impl->shape.slots, m_impl->limits.prefill_chunk);
}

void Generation::requestSettings(LaneId lane, const LaneSettings& settings) {
    PreparedSettings prepared =
        prepareSettings(m_impl->model, settings, m_impl->shape.slots, m_impl->limits.prefill_chunk);
    if (const auto requests = m_impl->requestsOf(lane)) requests->putSettings(std::move(prepared));
}

void Generation::requestAnswerNow(LaneId lane) {
    if (const auto requests = m_impl->requestsOf(lane)) requests->putAnswerNow();
}

void Generation::requestStop(LaneId lane) {
    if (const auto requests = m_impl->requestsOf(lane)) requests->putStop();
}

}  // namespace mixoscope
