#include "engine/lane.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace mixoscope {

namespace {

constexpr float kNoLogprob = std::numeric_limits<float>::quiet_NaN();

double milliseconds(Lane::Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

Lane::Lane(const LaneContext& context, LaneId id, KvSequence kv, PreparedSettings settings, Traced traced)
    : m_context(context),
      m_id(id),
      m_traced(traced),
      m_requests(std::make_shared<LaneRequests>()),
      m_settings(std::move(settings)),
      m_kv(std::move(kv)),
      m_controller(context.thinking_tokens, true) {
    m_sequence.reserve(context.tokens);
    m_ids.reserve(context.tokens);
    m_step_starts.reserve(context.tokens);
    m_logits.reserve(static_cast<std::size_t>(context.model.config.vocab_size));
}

LaneStatus Lane::status() const {
    LaneStatus status;
    status.state = m_state;
    status.stop_reason = m_stop_reason;
    status.tokens = static_cast<std::int32_t>(m_sequence.size());
    status.prompt_tokens = static_cast<std::int32_t>(m_prompt_length);
    status.thinking_tokens = m_controller.thinkingTokens();
    status.answer_tokens = m_answer_tokens;
    status.injected_tokens = m_injected_tokens;
    status.catching_up = active() && catchingUp();
    status.ttft_ms = m_ttft_ms;
    if (m_sampled_tokens > 1) {
        status.tpot_ms = milliseconds(m_last_sampled - m_first_sampled) / static_cast<double>(m_sampled_tokens - 1);
    }
    return status;
}

std::string Lane::policyAt(std::size_t position) const {
    if (position >= m_computed) return {};
    const auto segment = std::find_if(m_segments.rbegin(), m_segments.rend(),
                                      [&](const PolicySegment& part) { return part.first <= position; });
    return segment == m_segments.rend() ? std::string() : segment->policy;
}

std::size_t Lane::reusable(std::span<const TokenId> prompt) const {
    // The last prompt token is always fed: its logits choose the first token of the turn.
    std::size_t limit = std::min(m_computed, prompt.size() - 1);
    const RoutingPolicy& policy = m_settings.routing->policy();
    // What was computed in other chunks, or with another past, is not what a fresh prompt would give.
    if (policy.dependsOnStep() || policy.dependsOnHistory()) return 0;
    if (policy.dependsOnTokenClass()) {
        // What was generated then is part of the prompt now.
        const auto of_prompt = [](const TokenTrace& token) {
            return token.phase == Phase::kPrompt && token.flags == 0;
        };
        const auto generated = std::find_if_not(m_sequence.begin(), m_sequence.end(), of_prompt);
        limit = std::min(limit, static_cast<std::size_t>(generated - m_sequence.begin()));
    }
    for (const PolicySegment& segment : m_segments) {
        if (segment.policy != m_settings.settings.policy) {
            limit = std::min(limit, segment.first);
            break;
        }
    }
    const auto [mine, theirs] = std::ranges::mismatch(std::span(m_ids).first(limit), prompt.first(limit));
    return static_cast<std::size_t>(theirs - prompt.begin());
}

void Lane::truncate(std::size_t length) {
    m_computed = length;
    m_kv.truncate(static_cast<std::int64_t>(length));
    m_sequence.resize(length);
    m_ids.resize(length);
    m_step_starts.resize(length);
    while (!m_segments.empty() && m_segments.back().first >= length) m_segments.pop_back();
}

std::size_t Lane::startTurn(std::span<const TokenId> prompt, bool thinking) {
    assert(!prompt.empty() && prompt.size() < m_context.tokens);
    const std::size_t kept = reusable(prompt);
    truncate(kept);
    m_settings.routing->restart();
    ++m_turn;
    for (std::size_t position = kept; position < prompt.size(); ++position) {
        TokenTrace token;
        token.position = static_cast<std::int32_t>(position);
        token.id = prompt[position];
        token.turn = m_turn;
        token.budget = m_settings.settings.budget;
        m_sequence.push_back(token);
        m_ids.push_back(token.id);
    }
    m_turn_start = Clock::now();
    m_ttft_ms = 0.0;
    beginTurn(prompt.size(), thinking);
    m_state = LaneState::kPrefill;
    return kept;
}

void Lane::beginTurn(std::size_t prompt_length, bool thinking) {
    m_prompt_length = prompt_length;
    m_thinking = thinking;
    m_stop_reason = StopReason::kNone;
    m_closing = StopReason::kNone;
    m_end_was_recorded = false;
    m_recorded_rows = 0;
    m_recorded_policies.clear();
    m_recorded_policies_used = 0;
    m_answer_tokens = 0;
    m_injected_tokens = 0;
    m_sampled_tokens = 0;
    m_text_end = {};
    force({});
    ThinkingTokens tokens = m_context.thinking_tokens;
    tokens.early_stop = m_settings.early_stop;
    m_controller = ThinkingController(std::move(tokens), thinking);
    // Templates of models that always think open the block themselves: "<think>" and a newline end the prompt.
    const std::span<const TokenId> tail =
        std::span(m_ids).first(prompt_length).last(std::min<std::size_t>(prompt_length, 2));
    if (!thinking || !m_context.thinking_tokens.open) return;
    for (auto tag = std::ranges::find(tail, *m_context.thinking_tokens.open); tag != tail.end(); ++tag) {
        m_controller.accept(*tag, false);
    }
}

/// The first token of a fork that must be fed again when `shared` of the source's tokens could be shared: a policy that
/// goes by a whole step needs the rest of the step, one that goes by the lane's past all that it has seen.
std::size_t Lane::firstToFeed(const Lane& source, std::size_t shared) const {
    const auto segment = std::find_if(source.m_segments.rbegin(), source.m_segments.rend(),
                                      [&](const PolicySegment& part) { return part.first <= shared; });
    if (segment == source.m_segments.rend() || segment->policy != m_settings.settings.policy) return shared;
    const RoutingPolicy& policy = m_settings.routing->policy();
    if (policy.dependsOnHistory()) return segment->first;
    return policy.dependsOnStep() && shared < source.m_step_starts.size() ? source.m_step_starts[shared] : shared;
}

std::size_t Lane::rowsOfNextStep(std::size_t most) const {
    std::size_t rows = std::min(pending(), most);
    // What a fork feeds again it feeds in the steps of its source.
    for (std::size_t row = 1; row < rows && m_computed + row < m_step_starts.size(); ++row) {
        if (m_step_starts[m_computed + row] != m_step_starts[m_computed]) rows = row;
    }
    return rows;
}

void Lane::copyFrom(const Lane& source, std::size_t tokens) {
    assert(tokens > 0 && tokens <= source.size());
    // A cut inside an injected text would leave half a sentence: the rest of it is fed as well.
    while (tokens > source.m_prompt_length && tokens < source.size() &&
           (source.token(tokens).flags & token_flag::kInjected) != 0) {
        ++tokens;
    }
    const std::int32_t max_tokens = m_settings.settings.max_tokens;
    const bool room = tokens < m_context.tokens &&
                      (max_tokens == 0 || tokens < source.m_prompt_length + static_cast<std::size_t>(max_tokens));
    const bool goes_on = source.m_turn >= 0 && tokens >= source.m_prompt_length && room &&
                         (source.token(tokens - 1).flags & token_flag::kEndOfTurn) == 0;
    // To go on, the last token is fed again: its logits were not kept.
    const std::size_t shared =
        goes_on ? firstToFeed(source, std::min(source.m_computed, tokens - 1)) : std::min(source.m_computed, tokens);
    m_kv = source.m_kv.fork(static_cast<std::int64_t>(shared));
    m_computed = shared;
    m_sequence.assign(source.m_sequence.begin(), source.m_sequence.begin() + static_cast<std::ptrdiff_t>(tokens));
    m_ids.assign(source.m_ids.begin(), source.m_ids.begin() + static_cast<std::ptrdiff_t>(tokens));
    const std::size_t planned = std::min(source.m_step_starts.size(), tokens);
    m_step_starts.assign(source.m_step_starts.begin(),
                         source.m_step_starts.begin() + static_cast<std::ptrdiff_t>(goes_on ? planned : shared));
    m_segments = source.m_segments;
    while (!m_segments.empty() && m_segments.back().first >= shared) m_segments.pop_back();
    m_turn = source.m_turn;
    if (!goes_on) return;
    beginTurn(source.m_prompt_length, source.m_thinking);
    for (std::size_t position = m_prompt_length; position < tokens; ++position) {
        const TokenTrace& token = m_sequence[position];
        m_controller.accept(token.id, (token.flags & token_flag::kInjected) != 0);
        enterTurn(token);
    }
    m_turn_start = Clock::now();
    m_sampled_tokens = 0;
    m_state = m_controller.blockOpen() ? LaneState::kThinking : LaneState::kAnswering;
}

void Lane::resume(const RecordedTurn& turn, std::vector<RecordedPolicy> policies, bool in_recorded_steps) {
    assert(m_sequence.empty() && m_computed == 0);
    for (const TokenTrace& token : turn.tokens) {
        m_sequence.push_back(token);
        m_ids.push_back(token.id);
    }
    m_turn = turn.tokens.back().turn;
    beginTurn(static_cast<std::size_t>(turn.prompt_tokens), turn.thinking);
    for (std::size_t position = m_prompt_length; position < m_sequence.size(); ++position) {
        const TokenTrace& token = m_sequence[position];
        const bool ends = (token.flags & token_flag::kEndOfTurn) != 0;
        if (!ends) m_controller.accept(token.id, (token.flags & token_flag::kInjected) != 0);
        enterTurn(token);
        if (ends) m_closing = StopReason::kEndOfTurn;
    }
    m_end_was_recorded = turn.ended != StopReason::kNone;
    if (m_end_was_recorded) {
        m_closing = turn.ended;
    } else if (!closing() && !atLimit()) {
        completeInjection();
    }
    m_recorded_rows = turn.steps.size();
    m_recorded_policies = std::move(policies);
    m_recorded_policies_used = 0;
    planRecordedSteps(turn.steps, in_recorded_steps);
    enterRecordedPolicy();
    m_turn_start = Clock::now();
    m_sampled_tokens = 0;
    m_state = LaneState::kPrefill;
}

/// Of an injected text that was chosen at once a recording may know the first token only.
void Lane::completeInjection() {
    const std::span<const TokenId> text = m_settings.early_stop;
    std::size_t known = 0;
    while (known < m_sequence.size() - m_prompt_length &&
           (m_sequence[m_sequence.size() - known - 1].flags & token_flag::kInjected) != 0)
        ++known;
    if (known == 0 || known > text.size()) return;
    // A soft close gives the text from its tag on.
    const auto tag = static_cast<std::size_t>(std::ranges::find(text, *m_context.thinking_tokens.close) - text.begin());
    for (const std::size_t first : {std::size_t{0}, tag}) {
        if (first + known > text.size()) continue;
        if (!std::ranges::equal(text.subspan(first, known), std::span(m_ids).last(known))) continue;
        for (const TokenId id : text.subspan(first + known)) {
            append(id, m_controller.accept(id, true), kNoLogprob, -1);
            if (atLimit()) break;
        }
        return;
    }
}

/// Where the rows of a recorded turn are cut into steps: as they were where that matters, else only where the policy
/// changes.
void Lane::planRecordedSteps(const std::vector<Step>& steps, bool in_recorded_steps) {
    std::size_t next = 0;  // of the policies
    bool as_recorded = in_recorded_steps;
    for (std::size_t row = 0; row < steps.size(); ++row) {
        bool begins = row == 0;
        for (; next < m_recorded_policies.size() && m_recorded_policies[next].first <= row; ++next) {
            const RoutingPolicy& policy = m_recorded_policies[next].routing->policy();
            as_recorded = in_recorded_steps || policy.dependsOnStep() || policy.dependsOnHistory();
            begins = true;
        }
        if (as_recorded && row > 0 && steps[row] != steps[row - 1]) begins = true;
        m_step_starts.push_back(begins ? row : m_step_starts.back());
    }
}

void Lane::enterRecordedPolicy() {
    while (m_recorded_policies_used < m_recorded_policies.size() &&
           m_recorded_policies[m_recorded_policies_used].first <= m_computed) {
        m_settings.routing = std::move(m_recorded_policies[m_recorded_policies_used++].routing);
        m_settings.settings.policy = m_settings.routing->policy().text();
        m_routing_is_new = true;
    }
}

void Lane::replaceSettings(PreparedSettings& settings) {
    std::swap(m_settings, settings);
    // The same policy goes on with what it remembers.
    if (m_settings.settings.policy == settings.settings.policy) {
        m_settings.routing.swap(settings.routing);
    } else {
        m_routing_is_new = true;
    }
    if (m_settings.early_stop == settings.early_stop) return;
    std::vector<TokenId> early_stop = m_settings.early_stop;
    m_controller.swapEarlyStop(early_stop);
}

void Lane::force(ForcedContinuation continuation) {
    m_forced = std::move(continuation);
    m_forced_used = 0;
}

void Lane::fed(std::size_t rows) {
    if (m_segments.empty() || m_routing_is_new) {
        m_segments.push_back({.first = m_computed, .policy = m_settings.settings.policy});
    }
    m_routing_is_new = false;
    for (std::size_t row = 0; row < rows; ++row) {
        if (m_step_starts.size() <= m_computed + row) m_step_starts.push_back(m_computed);
    }
    m_computed += rows;
    enterRecordedPolicy();
}

bool Lane::endsTurn(TokenId id) const {
    return !m_settings.settings.ignore_eos &&
           std::ranges::find(m_context.end_of_turn, id) != m_context.end_of_turn.end();
}

std::int32_t Lane::closeRank(std::span<const float> logits) const {
    const LaneSettings& settings = m_settings.settings;
    if (!m_controller.needsCloseRank(settings.budget, settings.early_stop)) return -1;
    return Sampler::rankOf(logits, *m_context.thinking_tokens.close);
}

Lane::Choice Lane::choose(std::span<const float> logits, Sampler& sampler) {
    const LaneSettings& settings = m_settings.settings;
    m_logits.assign(logits.begin(), logits.end());
    m_sampled_now = false;
    if (m_forced_used < m_forced.tokens.size()) return chooseForced(logits);
    const std::span<const TokenId> injected = m_controller.injection(
        settings.budget, settings.early_stop, closeRank(logits), m_text_end.atCharacterBoundary());
    if (!injected.empty()) {
        for (const TokenId id : injected) {
            append(id, m_controller.accept(id, true), kNoLogprob, -1);
            if (atLimit()) break;
        }
        m_state = m_controller.blockOpen() ? LaneState::kThinking : LaneState::kAnswering;
        return m_controller.closedByHand() ? Choice::kAnsweredByHand : Choice::kBudgetReached;
    }
    const std::optional<Sampler::Draw> draw = sampler.draw(
        logits, settings.sampling, {.sequence = m_ids, .generated_from = m_prompt_length}, std::ssize(m_sequence));
    if (!draw) return Choice::kNoDistribution;
    m_sampled_now = true;
    if (endsTurn(draw->token)) {
        const auto flags = static_cast<std::uint8_t>(token_flag::kSampled | token_flag::kEndOfTurn);
        append(draw->token, {.phase = m_controller.phase(), .flags = flags}, draw->logprob, draw->rank);
        m_closing = StopReason::kEndOfTurn;
        return Choice::kEndOfTurn;
    }
    ThinkingController::Classified classified = m_controller.accept(draw->token, false);
    classified.flags |= token_flag::kSampled;
    append(draw->token, classified, draw->logprob, draw->rank);
    atLimit();
    m_state = m_controller.blockOpen() ? LaneState::kThinking : LaneState::kAnswering;
    return Choice::kSampled;
}

Lane::Choice Lane::chooseForced(std::span<const float> logits) {
    const ForcedContinuation::Token next = m_forced.tokens[m_forced_used++];
    const std::optional<Sampler::Draw> judged = Sampler::judge(logits, next.id);
    if (!judged) return Choice::kNoDistribution;
    if (!next.injected && endsTurn(next.id)) {
        const auto flags = static_cast<std::uint8_t>(token_flag::kForced | token_flag::kEndOfTurn);
        append(next.id, {.phase = m_controller.phase(), .flags = flags}, judged->logprob, judged->rank);
        m_closing = StopReason::kEndOfTurn;
        return Choice::kEndOfTurn;
    }
    ThinkingController::Classified classified = m_controller.accept(next.id, next.injected);
    classified.flags |= token_flag::kForced;
    append(next.id, classified, next.injected ? kNoLogprob : judged->logprob, next.injected ? -1 : judged->rank);
    if (!atLimit() && m_forced.ends_turn && m_forced_used == m_forced.tokens.size()) m_closing = StopReason::kForcedEnd;
    m_state = m_controller.blockOpen() ? LaneState::kThinking : LaneState::kAnswering;
    return Choice::kForced;
}

void Lane::append(TokenId id, ThinkingController::Classified classified, float logprob, std::int32_t rank) {
    assert(m_sequence.size() < m_context.tokens);
    TokenTrace token;
    token.position = static_cast<std::int32_t>(m_sequence.size());
    token.id = id;
    token.phase = classified.phase;
    token.flags = classified.flags;
    token.turn = m_turn;
    token.thinking_tokens = m_controller.thinkingTokens();
    token.budget = m_settings.settings.budget;
    token.logprob = logprob;
    token.rank = rank;
    m_sequence.push_back(token);
    m_ids.push_back(id);
    enterTurn(token);
}

void Lane::enterTurn(const TokenTrace& token) {
    constexpr std::uint8_t kNoAnswer = token_flag::kInjected | token_flag::kTag | token_flag::kEndOfTurn;
    if ((token.flags & token_flag::kInjected) != 0) ++m_injected_tokens;
    if ((token.flags & token_flag::kSampled) != 0) ++m_sampled_tokens;
    if (token.phase == Phase::kAnswer && (token.flags & kNoAnswer) == 0) ++m_answer_tokens;
    if (m_context.model.tokenizer) m_text_end.push(m_context.model.tokenizer->bytes(token.id));
}

bool Lane::atLimit() {
    const std::int32_t max_tokens = m_settings.settings.max_tokens;
    if (max_tokens > 0 && m_sequence.size() - m_prompt_length >= static_cast<std::size_t>(max_tokens)) {
        m_closing = StopReason::kMaxTokens;
    } else if (m_sequence.size() >= m_context.tokens) {
        m_closing = StopReason::kContextFull;
    }
    return m_closing != StopReason::kNone;
}

std::optional<StopReason> Lane::dueToFinish() const {
    if (!active() || m_closing == StopReason::kNone || pending() > 0) return std::nullopt;
    return m_closing;
}

void Lane::finish(StopReason reason) {
    // Stopped on the way: what was in force at the end of the recorded rows is in force.
    m_recorded_rows = std::min(m_recorded_rows, m_computed);
    for (std::size_t at = m_recorded_policies_used; at < m_recorded_policies.size(); ++at)
        m_recorded_policies[at].first = m_computed;
    enterRecordedPolicy();
    m_state = LaneState::kFinished;
    m_stop_reason = reason;
}

void Lane::tokenChosenAt(Clock::time_point now) {
    if (m_ttft_ms == 0.0) m_ttft_ms = milliseconds(now - m_turn_start);
    if (!m_sampled_now) return;
    if (m_sampled_tokens == 1) m_first_sampled = now;
    m_last_sampled = now;
}

}  // namespace mixoscope
