#include "sessions/comparison_measures.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool ended(const LaneSnapshot& lane) {
    return lane.state == LaneState::kFinished;
}

/// Tokens of its prompt that were computed for the lane that it began as a copy of.
std::int32_t sharedPrompt(const LaneSnapshot& lane) {
    const auto forked = std::ranges::find(lane.events, LaneEventKind::kForked, &LaneEvent::kind);
    if (forked == lane.events.end()) return 0;
    return std::min(static_cast<std::int32_t>(forked->old_value), lane.turns.back().prompt_tokens);
}

double moved(const LaneSnapshot& base, const LaneSnapshot& lane) {
    if (base.lane == lane.lane || !base.load || !lane.load) return kNaN;
    return loadMoved(*base.load, *lane.load);
}

/// When the lanes that began with the run did.
std::int64_t runStart(const ComparisonSnapshot& comparison) {
    std::int64_t start = std::numeric_limits<std::int64_t>::max();
    for (const ComparedLane& lane : comparison.lanes) {
        if (lane.started_with_run && !lane.free.turns.empty())
            start = std::min(start, lane.free.turns.front().started_us);
    }
    return start;
}

}  // namespace

ComparisonMeasures::ComparisonMeasures(const TraceShape& shape, std::vector<std::int64_t> expert_bytes)
    : m_shape(shape), m_expert_bytes(std::move(expert_bytes)) {}

const RoutingCounter& ComparisonMeasures::counted(const LaneSnapshot& lane) {
    RoutingCounter& counter = m_counters.try_emplace(lane.lane, m_shape, m_expert_bytes).first->second;
    counter.advance(lane.history);
    return counter;
}

void ComparisonMeasures::measureFree(ComparedLane& lane, const ComparedLane& base, std::int64_t run_started_us) {
    const LaneSnapshot& free = lane.free;
    if (free.turns.empty()) return;
    const RoutingCounter& counter = counted(free);
    lane.free_prompt = counter.prompt();
    lane.free_generated = counter.generated();
    if (free.load) lane.free_balance = measureLaneBalance(*free.load);
    lane.free_load_moved = moved(base.free, free);
    const TurnFacts& turn = free.turns.back();
    if (free.lane == base.free.lane || base.free.turns.empty()) {
        lane.first_divergence = -1;
    } else {
        lane.first_divergence =
            firstDivergence(base.free.history, base.free.turns.back().first_generated_position, ended(base.free),
                            free.history, turn.first_generated_position, ended(free));
    }
    lane.tpot_ms = turn.tpot_ms > 0.0 ? turn.tpot_ms : -1.0;
    if (turn.first_token_us < 0 || lane.origin.role == LaneRole::kFork) return;  // a fork has no beginning of its own
    const std::int64_t start = lane.started_with_run ? run_started_us : turn.started_us;
    lane.ttft_ms = static_cast<double>(turn.first_token_us - start) / 1000.0;
    lane.latency_ms = static_cast<double>(turn.last_token_us - start) / 1000.0;
}

void ComparisonMeasures::measureForcedLane(ComparedLane& lane, const ComparedLane& base,
                                           const ComparisonSnapshot& comparison) {
    const LaneSnapshot& forced = lane.forced;
    if (forced.turns.empty() || base.forced.turns.empty()) return;
    const RoutingCounter& counter = counted(forced);
    lane.forced_prompt = counter.prompt();
    lane.forced_generated = counter.generated();
    if (forced.load) lane.forced_balance = measureLaneBalance(*forced.load);
    lane.forced_load_moved = moved(base.forced, forced);

    // The row before the first token after the prompt is the first that predicts a judged one.
    const std::int32_t first = base.forced.turns.back().prompt_tokens - 1;
    auto overlap = m_overlaps.find(forced.lane);
    if (overlap == m_overlaps.end() || overlap->second.base != base.forced.lane) {
        overlap = m_overlaps
                      .insert_or_assign(forced.lane,
                                        Overlap{.base = base.forced.lane, .counter = OverlapCounter(m_shape, first)})
                      .first;
    }
    OverlapCounter& rows = overlap->second.counter;
    rows.advance(base.forced.history, forced.history);
    lane.forced_overlap = rows.mean();
    lane.layer_overlaps.clear();
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) lane.layer_overlaps.push_back(rows.mean(layer));

    if (!lane.forced_tokens || !base.forced_tokens) return;
    const auto known = m_quality.find(forced.lane);
    if (known != m_quality.end() && known->second.base == base.forced.lane) {
        lane.quality = known->second.measures;
    } else if (comparison.forced_complete) {
        lane.quality = measureForced(*base.forced_tokens, *lane.forced_tokens, comparison.bootstrap_seed);
        m_quality[forced.lane] = {.base = base.forced.lane, .measures = lane.quality};
    } else {
        lane.quality = measureForcedMeans(*base.forced_tokens, *lane.forced_tokens);
    }
}

void ComparisonMeasures::measure(const std::vector<LaneSnapshot>& lanes, ComparisonSnapshot& comparison) {
    comparison.prompt_copies = 0;
    for (ComparedLane& lane : comparison.lanes) {
        if (const LaneSnapshot* free = findLane(lanes, lane.origin.lane)) lane.free = *free;
        if (const LaneSnapshot* forced = findLane(lanes, lane.forced_lane)) lane.forced = *forced;
        if (!lane.free.turns.empty()) {
            lane.shared_prompt_tokens = sharedPrompt(lane.free);
            if (lane.shared_prompt_tokens == 0) ++comparison.prompt_copies;
        }
        const LaneSnapshot* alone = findLane(lanes, lane.alone_lane);
        if (alone == nullptr || alone->turns.empty()) continue;
        const TurnFacts& turn = alone->turns.back();
        if (turn.first_token_us >= 0) lane.alone_ttft_ms = turn.ttft_ms;
        if (turn.tpot_ms > 0.0) lane.alone_tpot_ms = turn.tpot_ms;
    }
    if (comparison.lanes.empty()) return;
    const ComparedLane& base = comparison.lanes.front();
    if (!base.free.turns.empty()) comparison.prompt_tokens = base.free.turns.back().prompt_tokens;
    const std::int64_t run_started_us = runStart(comparison);
    for (ComparedLane& lane : comparison.lanes) {
        measureFree(lane, base, run_started_us);
        measureForcedLane(lane, base, comparison);
    }
}

}  // namespace mixoscope
