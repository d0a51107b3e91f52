#include "support/reasoning_lane.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace mixoscope::test {
namespace {

constexpr std::array kWords = {"Tom", " has", " 4", "7",  " apples", ".",  " He",   " buys", "\n",    " so", " 6",
                               "*",   "8",    "=",  "48", " and",    " x", " pens", " of",   " Mara", ",",   " then"};
constexpr TokenId kOpenTag = 1000;
constexpr TokenId kCloseTag = 1001;
constexpr std::int32_t kInjectedTokens = 5;
constexpr std::int64_t kStepMicroseconds = 3200;

std::uint64_t mixBits(std::uint64_t value) {  // SplitMix64
    value += 0x9E3779B97F4A7C15ULL;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31);
}

}  // namespace

ReasoningLane::ReasoningLane(TraceShape shape, LaneLength length, std::uint64_t seed, LaneId lane)
    : m_shape(shape),
      m_length(length),
      m_injected(length.cut_by_budget ? kInjectedTokens : 0),
      m_lane(lane),
      m_random(seed),
      m_bias(static_cast<std::size_t>(shape.moe_layers) * shape.experts),
      m_ids(static_cast<std::size_t>(shape.moe_layers) * shape.slots),
      m_weights(m_ids.size()),
      m_router(static_cast<std::size_t>(shape.moe_layers)),
      m_distributions(shape.distributions ? m_bias.size() : 0) {
    std::normal_distribution<float> bias(0.0F, 0.6F);
    for (float& value : m_bias) value = bias(m_random);
}

bool ReasoningLane::atEnd() const {
    return m_position >= m_length.prompt + 2 + m_length.thinking + m_injected + m_length.answer;
}

TokenTrace ReasoningLane::tokenAt(std::int32_t position) const {
    const std::int32_t open = m_length.prompt;
    const std::int32_t cut = open + 1 + m_length.thinking;
    const std::int32_t close = cut + m_injected;
    TokenTrace token;
    token.position = position;
    token.id = static_cast<TokenId>(mixBits(static_cast<std::uint64_t>(position)) % kWords.size());
    token.budget = m_length.budget;
    token.thinking_tokens = std::clamp(position - open, 0, m_length.thinking);
    token.phase = position < open ? Phase::kPrompt : position <= close ? Phase::kThinking : Phase::kAnswer;
    if (position < open) return token;
    token.flags = token_flag::kSampled;
    token.logprob = -0.05F * static_cast<float>(mixBits(static_cast<std::uint64_t>(position) + 7) % 60);
    token.rank = static_cast<std::int32_t>(mixBits(static_cast<std::uint64_t>(position) + 9) % 3);
    if (position == open || position == close) {
        token.id = position == open ? kOpenTag : kCloseTag;
        token.flags =
            token_flag::kTag | (position == close && m_injected > 0 ? token_flag::kInjected : token_flag::kSampled);
    } else if (position >= cut && position < close) {
        token.flags = token_flag::kInjected;
    }
    if (position == close + m_length.answer) token.flags |= token_flag::kEndOfTurn;
    return token;
}

void ReasoningLane::routeLayer(std::int32_t layer) {
    std::normal_distribution<float> noise(0.0F, 1.3F);
    std::vector<float> p(static_cast<std::size_t>(m_shape.experts));
    const float* bias = m_bias.data() + static_cast<std::ptrdiff_t>(layer) * m_shape.experts;
    for (std::size_t e = 0; e < p.size(); ++e) p[e] = std::exp(bias[e] + noise(m_random));
    const float sum = std::accumulate(p.begin(), p.end(), 0.0F);
    for (float& value : p) value /= sum;
    std::vector<std::int16_t> order(p.size());
    std::iota(order.begin(), order.end(), std::int16_t{0});
    const auto likelier = [&p](std::int16_t a, std::int16_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; };
    const auto k = static_cast<std::size_t>(m_shape.slots);
    const std::size_t sorted = std::min(k + 1, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(sorted), order.end(), likelier);
    RouterFacts& facts = m_router[static_cast<std::size_t>(layer)];
    facts = {};
    if (sorted > k && m_random() % 200 == 0) {  // a tie between the last chosen and the next
        p[order[k]] = p[order[k - 1]];
        if (order[k] < order[k - 1]) std::swap(order[k], order[k - 1]);
        facts.flags = layer_flag::kTie;
    }
    float chosen = 0.0F;
    for (std::size_t slot = 0; slot < k; ++slot) chosen += p[order[slot]];
    for (std::size_t slot = 0; slot < k; ++slot) {
        m_ids[layer * k + slot] = order[slot];
        m_weights[layer * k + slot] = p[order[slot]] / chosen;
    }
    double entropy = 0.0;
    for (const float value : p) entropy -= value > 0.0F ? value * std::log(value) : 0.0;
    facts.entropy = static_cast<float>(entropy / std::log(static_cast<double>(p.size())));
    facts.top_probability = p[order[0]];
    facts.last_probability = p[order[k - 1]];
    if (sorted > k) {
        facts.next_probability = p[order[k]];
        facts.next_expert = order[k];
    }
    facts.active = static_cast<std::uint8_t>(k);
    if (m_shape.distributions) {
        std::copy(p.begin(), p.end(), m_distributions.begin() + static_cast<std::ptrdiff_t>(layer) * m_shape.experts);
    }
}

StepTrace ReasoningLane::next() {
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) routeLayer(layer);
    StepTrace trace;
    trace.serial = m_position;
    trace.step = std::max(0, m_position - m_length.prompt + 1);
    trace.lane = m_lane;
    trace.rows_in_step = m_position < m_length.prompt ? m_length.prompt : 1;
    trace.step_end_us = (trace.step + 1) * kStepMicroseconds;
    trace.step_us = static_cast<std::int32_t>(kStepMicroseconds);
    trace.token = tokenAt(m_position);
    if (m_position + 1 >= m_length.prompt) trace.next = tokenAt(m_position + 1);
    trace.expert_ids = m_ids;
    trace.expert_weights = m_weights;
    trace.router = m_router;
    trace.distributions = m_distributions;
    ++m_position;
    return trace;
}

std::string ReasoningLane::tokenBytes(TokenId id) {
    if (id == kOpenTag) return "<think>";
    if (id == kCloseTag) return "</think>";
    return id >= 0 && static_cast<std::size_t>(id) < kWords.size() ? kWords[static_cast<std::size_t>(id)] : "?";
}

}  // namespace mixoscope::test
