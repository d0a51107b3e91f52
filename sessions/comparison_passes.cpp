// The passes over a comparison's run that measure it: all lanes teacher-forced, each lane alone.
#include <algorithm>
#include <utility>

#include "sessions/comparison.h"

namespace mixoscope {

/// Forgets an earlier forced pass: the lanes' records stay, their pages go.
void Comparison::dropForced() {
    for (ComparedLane& lane : m_draft.lanes) {
        if (lane.forced_lane >= 0) m_generation->removeLane(lane.forced_lane);
        lane.forced_lane = -1;
        lane.forced = {};
        lane.forced_tokens.reset();
        lane.quality = {};
        lane.layer_overlaps.clear();
    }
    m_forced.reset();
}

void Comparison::startForced() {
    std::vector<ComparedLane> lanes;
    {
        const std::lock_guard lock(m_mutex);
        lanes = m_draft.lanes;
    }
    ForcedPass pass(*m_generation, lanes.front().origin.lane);
    m_stopping = false;
    {
        const std::lock_guard lock(m_mutex);
        dropForced();
        m_draft.state = ComparisonState::kForcing;
        m_draft.forced_complete = false;
        m_draft.done = 0;
        m_draft.total = pass.size();
        m_draft.error.reset();
    }
    const Turn& base_turn = m_turns.at(lanes.front().origin.tag);
    for (const ComparedLane& lane : lanes) {
        LaneSettings settings = base_turn.settings;
        settings.policy = lane.settings.policy;
        const LaneId id = m_generation->addLane(settings);
        {
            const std::lock_guard lock(m_mutex);
            ComparedLane& seat = *seatOf(lane.origin.tag);
            seat.forced_lane = id;
            seat.prefill_chunk = std::max(chunkFor(seat.origin.settings.policy), chunkFor(settings.policy));
        }
        introduce({.lane = id,
                   .role = LaneRole::kForced,
                   .tag = lane.origin.tag,
                   .parent = lane.origin.lane,
                   .change = {},
                   .settings = settings});
        pass.start(id, base_turn.thinking);
    }
    m_forced.emplace(std::move(pass));
    publish();
}

void Comparison::startAlone() {
    m_stopping = false;
    m_alone_due.clear();
    {
        const std::lock_guard lock(m_mutex);
        for (ComparedLane& lane : m_draft.lanes) {
            // A fork has no beginning of its own that could be run again.
            if (lane.origin.role == LaneRole::kFork || lane.origin.lane < 0) continue;
            m_alone_due.push_back(lane.origin.tag);
            if (lane.alone_lane >= 0) m_generation->removeLane(lane.alone_lane);
            lane.alone_lane = -1;
            lane.alone_ttft_ms = lane.alone_tpot_ms = -1.0;
        }
        if (m_alone_due.empty())
            throw Error({.what = "There are no turns to run alone", .advice = "Run the lanes first"});
        m_draft.state = ComparisonState::kMeasuringAlone;
        m_draft.done = 0;
        m_draft.total = std::ssize(m_alone_due);
        m_draft.error.reset();
    }
    startNextAlone();
    publish();
}

bool Comparison::startNextAlone() {
    while (!m_alone_due.empty() && !m_stopping) {
        const std::int32_t tag = m_alone_due.front();
        m_alone_due.erase(m_alone_due.begin());
        const auto turn = m_turns.find(tag);
        if (turn == m_turns.end()) continue;
        const LaneId id = m_generation->addLane(turn->second.settings);
        LaneOrigin origin{
            .lane = id, .role = LaneRole::kAlone, .tag = tag, .change = {}, .settings = turn->second.settings};
        {
            const std::lock_guard lock(m_mutex);
            ComparedLane* lane = seatOf(tag);
            lane->alone_lane = id;
            origin.parent = lane->origin.lane;
        }
        introduce(origin);
        m_generation->startTurn(id, turn->second.prompt, turn->second.thinking);
        return true;
    }
    m_alone_due.clear();
    return false;
}

/// The judgements of a pass that is over, measured without holding anybody up, and kept.
void Comparison::keepJudgements() {
    std::vector<LaneId> forced;
    bool complete = false;
    {
        const std::lock_guard lock(m_mutex);
        if (m_draft.state != ComparisonState::kForcing) return;
        complete = m_draft.done == m_draft.total;
        for (const ComparedLane& lane : m_draft.lanes) forced.push_back(lane.forced_lane);
    }
    const auto judged = m_forced ? m_forced->judged() : std::map<LaneId, std::vector<ForcedTokenMeasures>>{};
    m_forced.reset();
    const auto base = judged.find(forced.front());
    for (const auto& [lane, tokens] : judged) {
        if (m_recorder) m_recorder->addForcedTokens(lane, tokens);
        if (!complete || base == judged.end()) continue;
        const ForcedMeasures quality = measureForced(base->second, tokens, m_options.bootstrap_seed);
        const std::lock_guard lock(m_mutex);
        m_measures.keepQuality(lane, base->first, quality);
    }
    if (m_recorder) m_recorder->setMetadata("forced_complete", complete ? "1" : "0");
    const std::lock_guard lock(m_mutex);
    m_draft.forced_complete = complete;
    for (ComparedLane& lane : m_draft.lanes) {
        const auto tokens = judged.find(lane.forced_lane);
        if (tokens == judged.end()) continue;
        lane.forced_tokens = std::make_shared<const std::vector<ForcedTokenMeasures>>(tokens->second);
    }
}

}  // namespace mixoscope
