#include "probes/aggregates.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/settings_json.h"
#include "engine/tokenizer.h"
#include "engine/unrecorded.h"

namespace mixoscope {

namespace {

constexpr std::string_view kThinkOpen = "<think>";
constexpr std::string_view kThinkClose = "</think>";
constexpr std::uint8_t kGenerated = token_flag::kSampled | token_flag::kInjected | token_flag::kForced;

bool has(const TokenTrace& token, std::uint8_t flag) {
    return (token.flags & flag) != 0;
}

/// Text that grows by token bytes; blank lines before its first character are layout of the template, not content.
class GrowingText {
public:
    void push(std::string_view bytes) { append(m_decoder.push(bytes)); }
    void finish() { append(m_decoder.finish()); }
    const std::string& text() const { return m_text; }

private:
    void append(std::string_view more) {
        if (m_text.empty()) more.remove_prefix(std::min(more.find_first_not_of('\n'), more.size()));
        m_text.append(more);
    }
    StreamingDecoder m_decoder;
    std::string m_text;
};

double milliseconds(std::int64_t from_us, std::int64_t to_us) {
    return static_cast<double>(to_us - from_us) / 1000.0;
}

/// One lane: history, load, and the facts of its turns.
class LaneAggregate {
public:
    LaneAggregate(LaneId lane, const TraceShape& shape)
        : m_history(shape), m_load(std::make_shared<LoadCounter>(shape)) {
        m_snapshot.lane = lane;
    }

    void setSettings(const LaneSettings& settings) {
        m_snapshot.settings = settings;
        m_knows_settings = true;
    }

    void add(const StepTrace& trace, const std::function<std::string(TokenId)>& token_bytes) {
        const std::string bytes = token_bytes(trace.token.id);
        m_history.addRow(trace, bytes);
        ownLoad().add(trace);
        if (m_snapshot.turns.empty()) startTurn(trace.step_end_us - trace.step_us, trace.token.position, 0);
        // Its own choice was announced by the row before, unless that record was lost.
        if (has(trace.token, kGenerated) && trace.token.position > m_last_generated)
            addGenerated(trace.token, bytes, trace.step_end_us);
        if (trace.next.id >= 0) {
            const std::string next_bytes = token_bytes(trace.next.id);
            m_history.addNext(trace, next_bytes);
            addGenerated(trace.next, next_bytes, trace.step_end_us);
        }
    }

    void add(const LaneEvent& event) {
        m_snapshot.events.push_back(event);
        LaneSettings& settings = m_snapshot.settings;
        switch (event.kind) {
            case LaneEventKind::kTurnStarted:
                startTurn(event.time_us, event.position, static_cast<std::int32_t>(event.value));
                break;
            case LaneEventKind::kBudgetChanged:
                settings.budget = static_cast<std::int32_t>(event.value);
                break;
            case LaneEventKind::kModeChanged:
                settings.mode = static_cast<ThinkingMode>(event.value);
                break;
            case LaneEventKind::kPolicyChanged:
                settings.policy = event.text;
                break;
            case LaneEventKind::kSamplingChanged:
            case LaneEventKind::kEarlyStopChanged:
                settings = settingsFromJson(event.text, "event " + std::to_string(event.serial), settings);
                break;
            case LaneEventKind::kMaxTokensChanged:
                settings.max_tokens = static_cast<std::int32_t>(event.value);
                break;
            case LaneEventKind::kIgnoreEosChanged:
                settings.ignore_eos = event.value != 0;
                break;
            case LaneEventKind::kAnswerNow:
                if (!m_snapshot.turns.empty()) m_snapshot.turns.back().closed_by_hand = true;
                break;
            case LaneEventKind::kBudgetReached:
                if (!m_snapshot.turns.empty()) m_snapshot.turns.back().closed_by_budget = true;
                break;
            case LaneEventKind::kStopped:
                break;  // kFinished follows and says why
            case LaneEventKind::kFinished:
                finishTurn(static_cast<StopReason>(event.value));
                break;
            case LaneEventKind::kForked:
                break;  // forkFrom() did what there is to do
        }
        // What is changed after a turn's end is the next one's.
        if (m_snapshot.state != LaneState::kFinished && !m_snapshot.turns.empty())
            m_snapshot.turns.back().settings = settings;
    }

    /// Starts as the first `tokens` tokens and `rows` rows of another lane.
    void forkFrom(const LaneAggregate& source, std::int32_t rows, std::int32_t tokens) {
        m_history.copyFrom(source.m_history, rows, tokens);
        LoadCounter& load = ownLoad();
        load.clear();
        const History shared = m_history.publish();
        for (std::int32_t position = 0; position < shared.rowCount(); ++position) load.add(shared, position);
        m_inherited = shared.tokenCount();
        if (!m_knows_settings) m_snapshot.settings = source.m_snapshot.settings;  // events tell what changes
    }

    /// Before a copy: neither of both writes to what they share of the load.
    void shareLoad() { m_load_is_shared = true; }
    /// After a copy, before either of both is written to.
    void ownHistory() { m_history.leaveShared(); }

    LaneSnapshot snapshot() {
        shareLoad();
        m_snapshot.load = m_load;
        m_snapshot.history = m_history.publish();
        writeTexts();
        return m_snapshot;
    }

private:
    LoadCounter& ownLoad() {
        if (m_load_is_shared) m_load = std::make_shared<LoadCounter>(*m_load);
        m_load_is_shared = false;
        return *m_load;
    }

    void startTurn(std::int64_t time_us, std::int32_t position, std::int32_t prompt_tokens) {
        if (!m_snapshot.turns.empty()) m_snapshot.turns.back().history = m_history.publish();
        writeTexts();
        TurnFacts turn;
        turn.started_us = time_us;
        turn.first_position = position;
        turn.prompt_tokens = prompt_tokens;
        turn.settings = m_snapshot.settings;
        turn.budget_at_end = m_snapshot.settings.budget;
        m_snapshot.turns.push_back(std::move(turn));
        m_snapshot.state = LaneState::kPrefill;
        m_thinking = GrowingText();
        m_answer = GrowingText();
        m_last_generated = -1;
        m_thinking_since_us = -1;
        m_clocked = 0;
        inheritTurn(prompt_tokens);
    }

    /// A fork's turn begins with tokens of the lane that it goes on from. They count; their times are not this lane's.
    void inheritTurn(std::int32_t prompt_tokens) {
        const std::int32_t tokens = std::exchange(m_inherited, 0);
        if (tokens == 0) return;
        m_snapshot.turns.back().first_position = 0;
        const History shared = m_history.publish();
        for (std::int32_t position = std::max(prompt_tokens, 0); position < tokens; ++position) {
            const TokenRecord& token = shared.token(position);
            addGenerated(token.trace, token.bytes, kNotTimed);
        }
    }

    void writeTexts() {
        if (m_snapshot.turns.empty()) return;
        m_snapshot.turns.back().thinking_text = m_thinking.text();
        m_snapshot.turns.back().answer_text = m_answer.text();
    }

    void addGenerated(const TokenTrace& token, std::string_view bytes, std::int64_t time_us) {
        TurnFacts& turn = m_snapshot.turns.back();
        m_last_generated = token.position;
        if (turn.first_generated_position < 0) turn.first_generated_position = token.position;
        if (time_us != kNotTimed) clock(turn, time_us);
        if (!turn.block_closed) turn.budget_at_end = token.budget;
        turn.thinking_tokens = std::max(turn.thinking_tokens, token.thinking_tokens);
        if (has(token, token_flag::kInjected)) ++turn.injected_tokens;
        if (has(token, token_flag::kStray)) ++turn.stray_tags;
        if (token.phase == Phase::kThinking) {
            addThinking(turn, token, bytes, time_us);
        } else if (!has(token, token_flag::kEndOfTurn)) {
            if (!has(token, token_flag::kInjected) && !has(token, token_flag::kTag)) ++turn.answer_tokens;
            m_answer.push(bytes);
        }
        m_snapshot.state = turn.block_opened && !turn.block_closed ? LaneState::kThinking : LaneState::kAnswering;
    }

    void clock(TurnFacts& turn, std::int64_t time_us) {
        ++m_clocked;
        if (m_clocked == 1) {
            turn.first_token_us = time_us;
            turn.ttft_ms = milliseconds(turn.started_us, time_us);
        }
        turn.last_token_us = time_us;
        if (m_clocked == 1) return;
        turn.tpot_ms = milliseconds(turn.first_token_us, time_us) / static_cast<double>(m_clocked - 1);
        turn.tokens_per_s = turn.tpot_ms > 0.0 ? 1000.0 / turn.tpot_ms : 0.0;
    }

    void addThinking(TurnFacts& turn, const TokenTrace& token, std::string_view bytes, std::int64_t time_us) {
        if (m_thinking_since_us < 0) m_thinking_since_us = time_us;
        if (!turn.block_closed && time_us != kNotTimed) turn.thinking_ms = milliseconds(m_thinking_since_us, time_us);
        const bool tag = has(token, token_flag::kTag) && !has(token, token_flag::kStray);
        if (tag && bytes == kThinkClose) {
            turn.block_opened = turn.block_closed = true;
            m_thinking.finish();
            return;
        }
        if (has(token, token_flag::kEndOfTurn) || turn.block_closed) return;  // injected blank lines after the tag
        turn.block_opened = true;
        if (tag && bytes == kThinkOpen) return;
        m_thinking.push(bytes);
    }

    void finishTurn(StopReason reason) {
        m_snapshot.state = LaneState::kFinished;
        if (m_snapshot.turns.empty()) return;
        m_snapshot.turns.back().stop_reason = reason;
        m_thinking.finish();
        m_answer.finish();
    }

    LaneSnapshot m_snapshot;
    HistoryWriter m_history;
    std::shared_ptr<LoadCounter> m_load;
    bool m_load_is_shared = false;
    bool m_knows_settings = false;
    GrowingText m_thinking;
    GrowingText m_answer;
    std::int64_t m_clocked = 0;    // generated tokens whose time is this lane's
    std::int32_t m_inherited = 0;  // tokens of a fork, until its turn starts
    std::int32_t m_last_generated = -1;
    std::int64_t m_thinking_since_us = -1;
};

}  // namespace

struct Aggregates::State {
    TraceChecks checks;
    std::map<LaneId, LaneAggregate> lanes;
};

struct Aggregates::Impl {
    TraceShape shape;
    std::function<std::string(TokenId)> token_bytes;
    State now;
    std::int64_t ring_lost = 0;
    std::size_t ring_peak = 0;
    std::size_t ring_capacity = 0;

    LaneAggregate& lane(LaneId id) { return now.lanes.try_emplace(id, id, shape).first->second; }
    void fork(const LaneEvent& event) {
        const auto source = now.lanes.find(static_cast<LaneId>(event.value));
        if (source == now.lanes.end() || source->first == event.lane) return;  // a recording that began later
        lane(event.lane).forkFrom(source->second, static_cast<std::int32_t>(event.old_value), event.position);
    }
};

Aggregates::Aggregates(const TraceShape& shape, bool weights_sum_to_one,
                       std::function<std::string(TokenId)> token_bytes, std::int32_t experts_per_token)
    : m_impl(std::make_unique<Impl>(
          Impl{shape, std::move(token_bytes), {TraceChecks(shape, weights_sum_to_one, experts_per_token), {}}})) {}

Aggregates::~Aggregates() = default;

void Aggregates::setSettings(LaneId lane, const LaneSettings& settings) {
    m_impl->lane(lane).setSettings(settings);
    m_impl->now.checks.setPolicy(lane, settings.policy);
}

void Aggregates::add(const StepTrace& trace) {
    m_impl->now.checks.add(trace);
    m_impl->lane(trace.lane).add(trace, m_impl->token_bytes);
}

void Aggregates::add(const LaneEvent& event) {
    m_impl->now.checks.addEvent(event);
    if (event.kind == LaneEventKind::kForked) m_impl->fork(event);
    m_impl->lane(event.lane).add(event);
}

void Aggregates::setRing(std::int64_t lost, std::size_t peak, std::size_t capacity) {
    m_impl->ring_lost = lost;
    m_impl->ring_peak = peak;
    m_impl->ring_capacity = capacity;
}

std::vector<LaneSnapshot> Aggregates::snapshot() {
    std::vector<LaneSnapshot> lanes;
    const std::vector<CheckResult> checks =
        m_impl->now.checks.results(m_impl->ring_lost, m_impl->ring_peak, m_impl->ring_capacity);
    for (auto& [id, lane] : m_impl->now.lanes) {
        lanes.push_back(lane.snapshot());
        lanes.back().checks = checks;
    }
    return lanes;
}

void Aggregates::clear() {
    m_impl->now.lanes.clear();
    m_impl->now.checks.clear();
    setRing(0, 0, 0);
}

std::shared_ptr<const Aggregates::State> Aggregates::state() {
    for (auto& [id, lane] : m_impl->now.lanes) lane.shareLoad();
    return std::make_shared<const State>(m_impl->now);
}

void Aggregates::restore(const State& state) {
    m_impl->now = state;
    for (auto& [id, lane] : m_impl->now.lanes) lane.ownHistory();
}

}  // namespace mixoscope
