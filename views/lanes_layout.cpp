#include "views/lanes_layout.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "views/phase_runs.h"

namespace mixoscope {

AlignedLane alignedLane(const ComparedLane& lane) {
    AlignedLane aligned;
    aligned.lane = lane.origin.lane;
    if (lane.free.turns.empty()) return aligned;
    aligned.history = lane.free.history;
    aligned.first = lane.free.turns.back().first_generated_position;
    aligned.ended = lane.free.turns.back().stop_reason != StopReason::kNone;
    return aligned;
}

std::vector<AlignedLane> alignedLanes(const ComparisonSnapshot& comparison) {
    std::vector<AlignedLane> lanes;
    lanes.reserve(comparison.lanes.size());
    for (const ComparedLane& lane : comparison.lanes) lanes.push_back(alignedLane(lane));
    return lanes;
}

const LaneSettings& settingsInForce(const ComparedLane& lane) {
    return lane.free.turns.empty() ? lane.settings : lane.free.settings;
}

bool hasRun(const ComparisonSnapshot& comparison) {
    return std::ranges::any_of(comparison.lanes, [](const ComparedLane& lane) { return !lane.free.turns.empty(); });
}

bool differsFrom(const AlignedLane& base, const AlignedLane& lane, std::int32_t index) {
    if (index >= lane.tokens()) return false;
    if (index >= base.tokens()) return base.ended;
    return base.token(index).trace.id != lane.token(index).trace.id;
}

void AlignedRows::setShape(std::int32_t tokens_per_row, double width) {
    assert(tokens_per_row > 0 && width > 0.0);
    if (tokens_per_row == m_tokens_per_row && width == m_width) return;
    m_tokens_per_row = tokens_per_row;
    m_width = width;
    auto lanes = std::move(m_lanes);
    m_lanes.clear();
    m_progress.clear();
    update(std::move(lanes));
}

bool AlignedRows::continues(const std::vector<AlignedLane>& lanes) const {
    if (lanes.size() != m_progress.size()) return false;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const Progress& done = m_progress[i];
        if (lanes[i].lane != m_lanes[i].lane || lanes[i].tokens() < done.tokens) return false;
        if (done.tokens > 0 &&
            (lanes[i].first != m_lanes[i].first ||
             wasRewritten(lanes[i].history, lanes[i].first + done.tokens, done.last_id, done.last_step)))
            return false;
    }
    return true;
}

void AlignedRows::restart(std::size_t lanes) {
    m_progress.assign(lanes, {});
    m_row_lines.clear();
    m_first_lines.assign(1, 0);
    m_stale = 0;
    m_tokens = 0;
}

double AlignedRows::advance(double& x, std::int32_t& line, double width) const {
    if (x > 0.0 && x + width > m_width) {
        x = 0.0;
        ++line;
    }
    const double left = x;
    x += width;
    return left;
}

void AlignedRows::addToken(Progress& progress, const TokenRecord& token) {
    const std::int32_t row = progress.tokens / m_tokens_per_row;
    if (progress.tokens % m_tokens_per_row == 0) {
        progress.x = 0.0;
        progress.line = 0;
    }
    advance(progress.x, progress.line, m_measure(token));
    ++m_measured;
    ++progress.tokens;
    progress.last_id = token.trace.id;
    progress.last_step = token.step;
    if (row >= rowCount()) m_row_lines.resize(static_cast<std::size_t>(row) + 1, 1);
    std::int32_t& lines = m_row_lines[static_cast<std::size_t>(row)];
    if (progress.line + 1 > lines) {
        lines = progress.line + 1;
        m_stale = std::min(m_stale, row);
    }
}

void AlignedRows::update(std::vector<AlignedLane> lanes) {
    if (!continues(lanes)) restart(lanes.size());
    m_lanes = std::move(lanes);
    for (std::size_t i = 0; i < m_lanes.size(); ++i) {
        while (m_progress[i].tokens < m_lanes[i].tokens())
            addToken(m_progress[i], m_lanes[i].token(m_progress[i].tokens));
        m_tokens = std::max(m_tokens, m_progress[i].tokens);
    }
}

std::int32_t AlignedRows::firstLine(std::int32_t row) const {
    m_first_lines.resize(m_row_lines.size() + 1, 0);
    for (; m_stale < rowCount(); ++m_stale) {
        const auto at = static_cast<std::size_t>(m_stale);
        m_first_lines[at + 1] = m_first_lines[at] + m_row_lines[at];
    }
    return m_first_lines[static_cast<std::size_t>(row)];
}

std::int32_t AlignedRows::lineCount() const {
    return firstLine(rowCount());
}

std::int32_t AlignedRows::rowAtLine(std::int32_t line) const {
    firstLine(rowCount());
    const auto after = std::upper_bound(m_first_lines.begin(), m_first_lines.end(), line);
    return std::clamp(static_cast<std::int32_t>(after - m_first_lines.begin()) - 1, 0, std::max(rowCount() - 1, 0));
}

std::vector<PlacedToken> AlignedRows::place(std::size_t lane, std::int32_t row) const {
    std::vector<PlacedToken> placed;
    const AlignedLane& tokens = m_lanes[lane];
    const std::int32_t first = row * m_tokens_per_row;
    const std::int32_t end = std::min(first + m_tokens_per_row, tokens.tokens());
    double x = 0.0;
    std::int32_t line = 0;
    for (std::int32_t index = first; index < end; ++index) {
        const double width = m_measure(tokens.token(index));
        const double left = advance(x, line, width);
        placed.push_back({.index = index, .line = line, .left = left, .width = width});
    }
    return placed;
}

LaneColumns LaneColumns::of(int room, int gutter, int lanes, int scroll) {
    LaneColumns columns;
    columns.room = room;
    columns.gutter = gutter;
    columns.count = lanes;
    if (lanes > 0) columns.width = std::max(kNarrowestLane, (room - gutter) / lanes);
    columns.scroll = std::clamp(scroll, 0, columns.furthest());
    return columns;
}

int LaneColumns::laneAt(double x) const {
    if (x < gutter || x >= room || count == 0) return -1;
    if (x < gutter + width) return 0;
    const int lane = static_cast<int>(std::floor((x - gutter + scroll) / width));
    return lane < count ? lane : -1;
}

}  // namespace mixoscope
