#include "sessions/attribution.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "engine/next_token_divergence.h"
#include "engine/routing_policy.h"

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLanesAtOnce = 8;

[[noreturn]] void refuse(std::string what, std::string where, std::string expected) {
    throw Error({.what = std::move(what), .where = std::move(where), .expected = std::move(expected)});
}

/// Removes a lane that was made for one step.
class PassingLane {
public:
    PassingLane(Generation& generation, LaneId lane) : m_generation(&generation), m_lane(lane) {}
    ~PassingLane() {
        if (m_generation != nullptr) m_generation->removeLane(m_lane);
    }
    PassingLane(PassingLane&& other) noexcept
        : m_generation(std::exchange(other.m_generation, nullptr)), m_lane(other.m_lane) {}
    PassingLane& operator=(PassingLane&&) = delete;
    LaneId id() const { return m_lane; }

private:
    Generation* m_generation;
    LaneId m_lane;
};

}  // namespace

Attribution::Attribution(Generation& generation, const LoadedModel& loaded, LaneId lane, std::int32_t position,
                         const History& history)
    : m_generation(generation), m_model(loaded.model) {
    const std::string where = "position " + std::to_string(position);
    if (!generation.hasLane(lane)) refuse("This lane is not there any more", "lane " + std::to_string(lane), {});
    const LaneStatus status = generation.status(lane);
    if (position < status.prompt_tokens || position >= status.tokens || status.prompt_tokens == 0)
        refuse("Experts are measured for tokens that the last turn generated", where,
               "position " + std::to_string(status.prompt_tokens) + " to " + std::to_string(status.tokens - 1));
    const TokenTrace token = generation.token(lane, position);
    if ((token.flags & token_flag::kInjected) != 0)
        refuse("This token was injected: no experts chose it", where, "a token that the model chose");
    if (position > history.rowCount() || history.shape().moe_layers == 0)
        refuse("The routing of the row before this token was not recorded", where, "a model with experts, probes on");

    m_settings = generation.settings(lane);
    m_settings.policy = generation.policyAt(lane, position - 1);
    m_settings.max_tokens = 0;
    m_settings.ignore_eos = true;
    const auto policy = parsePolicy(m_settings.policy, loaded.model);
    if (policy->dependsOnHistory() || (policy->dependsOnStep() && position == status.prompt_tokens))
        refuse("This policy does not choose by the row alone, so one row cannot be computed again without an expert",
               "routing policy \"" + policy->text() + "\"",
               policy->dependsOnHistory() ? "a policy that does not go by the lane's past" : "a later token");

    m_result.lane = lane;
    m_result.position = position;
    m_result.token = token.id;
    m_result.layers = history.shape().moe_layers;
    m_result.slots = history.shape().slots;
    const std::size_t cells = static_cast<std::size_t>(m_result.layers) * static_cast<std::size_t>(m_result.slots);
    m_result.experts.assign(cells, -1);
    m_result.changes.assign(cells, kNaN);
    m_result.logprob = kNaN;
    const std::vector<std::int32_t> layer_numbers = loaded.model.config.moeLayers();
    for (std::int32_t layer = 0; layer < m_result.layers; ++layer) {
        const auto ids = history.experts(position - 1, layer);
        for (std::size_t slot = 0; slot < ids.size(); ++slot) {
            if (ids[slot] < 0) continue;
            const std::size_t cell = static_cast<std::size_t>(layer) * static_cast<std::size_t>(m_result.slots) + slot;
            m_result.experts[cell] = ids[slot];
            m_removals.push_back(
                {.cell = cell,
                 .policy = m_settings.policy + "+ban:experts=" + std::to_string(ids[slot]) +
                           ",layers=" + std::to_string(layer_numbers[static_cast<std::size_t>(layer)])});
        }
    }
    m_result.total = static_cast<std::int32_t>(m_removals.size());
    m_result.running = true;
}

/// Not where an edit forces the expert that is to be taken out, or no other one is left.
bool Attribution::isPossible(const std::string& policy) const {
    try {
        parsePolicy(policy, m_model);
    } catch (const Error&) {
        return false;
    }
    return true;
}

LaneId Attribution::fork(const std::string& policy) {
    LaneSettings settings = m_settings;
    settings.policy = policy;
    return m_generation.forkLane(m_result.lane, m_result.position, settings, Traced::kNo);
}

double Attribution::withPolicy(LaneId lane) const {
    const std::span<const float> logits = m_generation.lastLogits(lane);
    if (logits.empty())
        throw Error({.what = "There is no room in the KV cache to compute the row again",
                     .advice = "Remove lanes or start a new conversation"});
    return logProbability(logits, m_result.token);
}

bool Attribution::step() {
    if (!m_result.running) return false;
    std::vector<PassingLane> lanes;
    std::vector<std::size_t> cells;  // of the lanes, in their order
    const bool first = !std::exchange(m_begun, true);
    if (first) lanes.emplace_back(m_generation, fork(m_settings.policy));
    for (; lanes.size() < kLanesAtOnce && m_next < m_removals.size(); ++m_next) {
        const Removal& removal = m_removals[m_next];
        if (!isPossible(removal.policy)) {
            ++m_result.done;
            continue;
        }
        try {
            lanes.emplace_back(m_generation, fork(removal.policy));
        } catch (const Error&) {
            if (lanes.empty()) throw;
            break;  // no room for as many at once
        }
        cells.push_back(removal.cell);
    }
    if (lanes.empty() || !m_generation.step()) {
        end();
        return false;
    }
    const std::size_t offset = first ? 1 : 0;
    if (first) m_result.logprob = withPolicy(lanes.front().id());
    for (std::size_t index = 0; index < cells.size(); ++index) {
        m_result.changes[cells[index]] = withPolicy(lanes[index + offset].id()) - m_result.logprob;
        ++m_result.done;
    }
    if (m_next == m_removals.size()) end();
    return m_result.running;
}

}  // namespace mixoscope
