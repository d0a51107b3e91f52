#include "sessions/forked_turns.h"

#include <algorithm>
#include <utility>

namespace mixoscope {

namespace {

/// The turn that a fork goes on with, −1: none that is known. Each turn computes its prompt's last row anew, in a step
/// of its own, which its forks share.
std::int32_t turnOf(const LaneSnapshot& fork, const LaneSnapshot& chat) {
    if (fork.turns.empty()) return -1;
    const std::int32_t last_of_prompt = fork.turns.back().prompt_tokens - 1;
    if (last_of_prompt < 0 || last_of_prompt >= fork.history.tokenCount()) return -1;
    const Step step = fork.history.token(last_of_prompt).step;
    for (std::size_t index = 0; index < chat.turns.size(); ++index) {
        const History& history = chat.historyOfTurn(index);
        if (chat.turns[index].prompt_tokens - 1 == last_of_prompt && last_of_prompt < history.tokenCount() &&
            history.token(last_of_prompt).step == step)
            return static_cast<std::int32_t>(index);
    }
    return -1;
}

bool isUnderWay(const LaneSnapshot& lane) {
    return lane.state == LaneState::kPrefill || lane.state == LaneState::kThinking ||
           lane.state == LaneState::kAnswering;
}

/// Whether there is anything new to measure.
bool isSame(const LaneSnapshot& a, const LaneSnapshot& b) {
    return a.lane == b.lane && a.state == b.state && a.history.tokenCount() == b.history.tokenCount() &&
           a.history.rowCount() == b.history.rowCount() && a.events.size() == b.events.size();
}

}  // namespace

ForkedTurns::ForkedTurns(const TraceShape& shape, std::vector<std::int64_t> expert_bytes)
    : m_shape(shape), m_expert_bytes(std::move(expert_bytes)) {}

void ForkedTurns::setPrompt(std::int32_t turn, std::string text) {
    const std::lock_guard lock(m_mutex);
    m_prompts[turn] = std::move(text);
}

void ForkedTurns::add(const LaneOrigin& fork) {
    const std::lock_guard lock(m_mutex);
    m_unplaced.push_back(fork);
}

ForkedTurns::Turn& ForkedTurns::turn(std::int32_t index) {
    const auto known = m_turns.find(index);
    if (known != m_turns.end()) return known->second;
    Turn made{.measures = ComparisonMeasures(m_shape, m_expert_bytes)};
    if (const auto prompt = m_prompts.find(index); prompt != m_prompts.end())
        made.lanes.messages = {{.role = Role::kUser, .content = prompt->second}};
    ComparedLane base;
    base.origin.role = LaneRole::kChat;
    base.origin.tag = 0;
    base.started_with_run = true;
    made.lanes.lanes.push_back(std::move(base));
    return m_turns.emplace(index, std::move(made)).first->second;
}

/// Gives the forks of which something was recorded their place beside the turn that they go on with.
void ForkedTurns::place(const LaneSnapshot& chat, const std::vector<LaneSnapshot>& lanes) {
    std::erase_if(m_unplaced, [&](const LaneOrigin& origin) {
        const LaneSnapshot* fork = findLane(lanes, origin.lane);
        const std::int32_t index = fork == nullptr ? -1 : turnOf(*fork, chat);
        if (index < 0) return false;
        std::vector<ComparedLane>& beside = turn(index).lanes.lanes;
        ComparedLane lane;
        lane.origin = origin;
        lane.origin.tag = static_cast<std::int32_t>(beside.size());
        lane.settings = origin.settings;
        beside.push_back(std::move(lane));
        return true;
    });
}

/// The conversation as if it had only this turn.
LaneSnapshot ForkedTurns::baseline(const LaneSnapshot& chat, std::size_t index, Turn& turn) const {
    LaneSnapshot base = chat;
    const bool last = index + 1 == chat.turns.size();
    base.history = chat.historyOfTurn(index);
    base.turns = {chat.turns[index]};
    base.turns.front().history = {};
    if (!last) base.settings = chat.turns[index].settings;
    if (!last) base.state = LaneState::kFinished;
    if (!turn.load || turn.loaded_rows != base.history.rowCount()) {
        auto load = std::make_shared<LoadCounter>(m_shape);
        for (std::int32_t position = 0; position < base.history.rowCount(); ++position)
            load->add(base.history, position);
        turn.load = std::move(load);
        turn.loaded_rows = base.history.rowCount();
    }
    base.load = turn.load;
    return base;
}

std::vector<ForkedTurn> ForkedTurns::measure(const std::vector<LaneSnapshot>& lanes) {
    const std::lock_guard lock(m_mutex);
    std::vector<ForkedTurn> forked;
    if (lanes.empty() || (m_unplaced.empty() && m_turns.empty())) return forked;
    const LaneSnapshot& chat = lanes.front();
    place(chat, lanes);
    for (auto& [index, turn] : m_turns) {
        const auto at = static_cast<std::size_t>(index);
        if (at >= chat.turns.size()) continue;
        std::vector<LaneSnapshot> measured;
        turn.lanes.state = ComparisonState::kReady;
        for (ComparedLane& lane : turn.lanes.lanes) {
            if (lane.origin.role == LaneRole::kChat) {
                measured.push_back(baseline(chat, at, turn));
                lane.origin.lane = chat.lane;
                lane.origin.settings = lane.settings = measured.back().settings;
            } else if (const LaneSnapshot* fork = findLane(lanes, lane.origin.lane)) {
                measured.push_back(*fork);
                if (isUnderWay(*fork)) turn.lanes.state = ComparisonState::kRunning;
            }
        }
        if (!turn.published || !std::ranges::equal(measured, turn.measured, isSame)) {
            turn.measures.measure(measured, turn.lanes);
            turn.published = std::make_shared<const ComparisonSnapshot>(turn.lanes);
            turn.measured = std::move(measured);
        }
        forked.push_back({.turn = index, .lanes = turn.published});
    }
    return forked;
}

}  // namespace mixoscope
