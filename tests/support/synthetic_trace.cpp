#include "support/synthetic_trace.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

namespace mixoscope::test {

namespace {

bool sameFloat(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

bool sameFloats(std::span<const float> a, std::span<const float> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), sameFloat);
}

bool sameFacts(const RouterFacts& a, const RouterFacts& b) {
    return sameFloat(a.entropy, b.entropy) && sameFloat(a.top_probability, b.top_probability) &&
           sameFloat(a.last_probability, b.last_probability) && sameFloat(a.next_probability, b.next_probability) &&
           a.next_expert == b.next_expert && a.active == b.active && a.flags == b.flags;
}

}  // namespace

OwnedTrace::OwnedTrace(const StepTrace& source)
    : trace(source),
      ids(source.expert_ids.begin(), source.expert_ids.end()),
      weights(source.expert_weights.begin(), source.expert_weights.end()),
      router(source.router.begin(), source.router.end()),
      distributions(source.distributions.begin(), source.distributions.end()) {}

OwnedTrace& OwnedTrace::operator=(const OwnedTrace& other) {
    trace = other.trace;
    ids = other.ids;
    weights = other.weights;
    router = other.router;
    distributions = other.distributions;
    return *this;
}

StepTrace OwnedTrace::view() const {
    StepTrace result = trace;
    result.expert_ids = ids;
    result.expert_weights = weights;
    result.router = router;
    result.distributions = distributions;
    return result;
}

bool sameToken(const TokenTrace& a, const TokenTrace& b) {
    return a.position == b.position && a.id == b.id && a.phase == b.phase && a.flags == b.flags && a.turn == b.turn &&
           a.thinking_tokens == b.thinking_tokens && a.budget == b.budget && sameFloat(a.logprob, b.logprob) &&
           a.rank == b.rank;
}

bool sameTrace(const StepTrace& a, const StepTrace& b) {
    return a.serial == b.serial && a.step == b.step && a.lane == b.lane && a.rows_in_step == b.rows_in_step &&
           a.step_end_us == b.step_end_us && a.step_us == b.step_us && sameToken(a.token, b.token) &&
           sameToken(a.next, b.next) &&
           std::equal(a.expert_ids.begin(), a.expert_ids.end(), b.expert_ids.begin(), b.expert_ids.end()) &&
           sameFloats(a.expert_weights, b.expert_weights) &&
           std::equal(a.router.begin(), a.router.end(), b.router.begin(), b.router.end(), sameFacts) &&
           sameFloats(a.distributions, b.distributions);
}

bool sameEvent(const LaneEvent& a, const LaneEvent& b) {
    return a.serial == b.serial && a.step == b.step && a.time_us == b.time_us && a.lane == b.lane &&
           a.position == b.position && a.kind == b.kind && a.old_value == b.old_value && a.value == b.value &&
           std::strcmp(a.text, b.text) == 0;
}

bool sameRecord(const Record& a, const Record& b) {
    if (a.is_event != b.is_event) return false;
    return a.is_event ? sameEvent(a.event, b.event) : sameTrace(a.row.view(), b.row.view());
}

void KeepingSink::onRow(const StepTrace& trace) {
    Record record;
    record.row = OwnedTrace(trace);
    records.push_back(std::move(record));
}

void KeepingSink::onEvent(const LaneEvent& event) {
    Record record;
    record.is_event = true;
    record.event = event;
    records.push_back(std::move(record));
}

std::string syntheticBytes(TokenId id) {
    if (id == kSyntheticOpen) return "<think>";
    if (id == kSyntheticClose) return "</think>";
    if (id == kSyntheticEnd) return "<|im_end|>";
    return id >= 0 ? std::string(1, static_cast<char>(id)) : std::string();
}

SyntheticEngine::SyntheticEngine(const TraceShape& shape, std::uint32_t seed, TraceSink& sink)
    : m_shape(shape), m_random(seed), m_sink(sink) {}

void SyntheticEngine::event(LaneEvent event) {
    event.serial = m_serial++;
    event.step = m_step;
    event.time_us = m_time_us;
    m_sink.onEvent(event);
}

void SyntheticEngine::endStep() {
    m_sink.onStepEnd(m_step);
    ++m_step;
    m_time_us += 1000;
}

void SyntheticEngine::row(LaneId lane, const TokenTrace& token, const TokenTrace& next) {
    OwnedTrace owned;
    const auto experts = static_cast<std::size_t>(m_shape.experts);
    std::uniform_real_distribution<float> uniform(0.01F, 1.0F);
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) {
        std::vector<float> probabilities(experts);
        for (float& p : probabilities) p = uniform(m_random);
        const float sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0F);
        for (float& p : probabilities) p /= sum;
        std::vector<std::int16_t> order(experts);
        std::iota(order.begin(), order.end(), std::int16_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::int16_t a, std::int16_t b) {
            return probabilities[static_cast<std::size_t>(a)] > probabilities[static_cast<std::size_t>(b)];
        });
        const auto slots = static_cast<std::size_t>(m_shape.slots);
        float chosen = 0.0F;
        for (std::size_t slot = 0; slot < slots; ++slot) chosen += probabilities[static_cast<std::size_t>(order[slot])];
        for (std::size_t slot = 0; slot < slots; ++slot) {
            owned.ids.push_back(order[slot]);
            owned.weights.push_back(probabilities[static_cast<std::size_t>(order[slot])] / chosen);
        }
        RouterFacts facts;
        facts.entropy = uniform(m_random);
        facts.top_probability = probabilities[static_cast<std::size_t>(order[0])];
        facts.last_probability = probabilities[static_cast<std::size_t>(order[slots - 1])];
        if (slots < experts) {
            facts.next_expert = order[slots];
            facts.next_probability = probabilities[static_cast<std::size_t>(order[slots])];
        }
        facts.active = static_cast<std::uint8_t>(slots);
        owned.router.push_back(facts);
        if (m_shape.distributions)
            owned.distributions.insert(owned.distributions.end(), probabilities.begin(), probabilities.end());
    }
    owned.trace.serial = m_serial++;
    owned.trace.step = m_step;
    owned.trace.lane = lane;
    owned.trace.rows_in_step = 1;
    owned.trace.step_us = 900;
    owned.trace.step_end_us = m_time_us + 900;
    owned.trace.token = token;
    owned.trace.next = next;
    m_sink.onRow(owned.view());
}

void SyntheticEngine::play(LaneId lane, const Turn& turn) {
    std::uniform_int_distribution<TokenId> letter('a', 'z');
    LaneEvent started;
    started.lane = lane;
    started.position = turn.kept;
    started.kind = LaneEventKind::kTurnStarted;
    started.value = turn.prompt;
    event(started);

    std::vector<TokenTrace> tokens;  // from position turn.kept on
    const auto append = [&](TokenId id, Phase phase, std::uint8_t flags, std::int32_t n) {
        TokenTrace token;
        token.position = turn.kept + static_cast<std::int32_t>(tokens.size());
        token.id = id;
        token.phase = phase;
        token.flags = flags;
        token.turn = m_turn;
        token.thinking_tokens = n;
        token.budget = 1 << 30;
        if ((flags & token_flag::kSampled) != 0) {
            token.logprob = -0.25F;
            token.rank = 0;
        }
        tokens.push_back(token);
    };
    for (std::int32_t i = turn.kept; i < turn.prompt; ++i) append(letter(m_random), Phase::kPrompt, 0, 0);
    const std::size_t prompt_rows = tokens.size();
    if (turn.thinking >= 0) {
        append(kSyntheticOpen, Phase::kThinking, token_flag::kSampled | token_flag::kTag, 0);
        for (std::int32_t i = 0; i < turn.thinking; ++i)
            append(letter(m_random), Phase::kThinking, token_flag::kSampled, i + 1);
        append(kSyntheticClose, Phase::kThinking, token_flag::kSampled | token_flag::kTag, turn.thinking);
    }
    for (std::int32_t i = 0; i < turn.answer; ++i)
        append(letter(m_random), Phase::kAnswer, token_flag::kSampled, std::max(turn.thinking, 0));
    append(kSyntheticEnd, Phase::kAnswer, token_flag::kSampled | token_flag::kEndOfTurn, std::max(turn.thinking, 0));

    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        row(lane, tokens[i], i + 1 >= prompt_rows ? tokens[i + 1] : TokenTrace{});
        if (i + 1 >= prompt_rows) endStep();  // the prompt is one step
    }
    LaneEvent finished;
    finished.lane = lane;
    finished.position = tokens.back().position;
    finished.kind = LaneEventKind::kFinished;
    finished.value = static_cast<std::int64_t>(StopReason::kEndOfTurn);
    event(finished);
    ++m_turn;
}

}  // namespace mixoscope::test
