#include "sessions/record_columns.h"

#include <SQLiteCpp/Column.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "engine/lane_settings.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kMostTime_us = std::int64_t{1} << 53;

struct ValueRange {
    std::int64_t least = std::numeric_limits<std::int32_t>::min();
    std::int64_t most = std::numeric_limits<std::int32_t>::max();
};

/// What an event of this kind may say: readers take its values for positions, lanes, modes and reasons.
ValueRange valuesOf(LaneEventKind kind) {
    switch (kind) {
        case LaneEventKind::kTurnStarted:
            return {0, kMostPositions};
        case LaneEventKind::kModeChanged:
            return {0, static_cast<std::int64_t>(ThinkingMode::kAuto)};
        case LaneEventKind::kFinished:
            return {0, static_cast<std::int64_t>(StopReason::kForcedEnd)};
        case LaneEventKind::kForked:
            return {.least = 0};
        default:
            return {};
    }
}

ValueRange oldValuesOf(LaneEventKind kind) {
    return kind == LaneEventKind::kForked ? ValueRange{0, kMostPositions} : valuesOf(kind);
}

}  // namespace

void refuseDamage(const std::filesystem::path& path, const std::string& place, std::string expected,
                  std::string found) {
    throw Error({.what = "The session is damaged",
                 .where = path.string() + ", " + place,
                 .expected = std::move(expected),
                 .found = std::move(found),
                 .advice = {}});
}

std::int64_t RecordColumns::within(int column, std::int64_t least, std::int64_t most) const {
    const std::int64_t value = m_statement.getColumn(column).getInt64();
    if (value < least || value > most)
        refuseDamage(m_path, place(column), std::to_string(least) + " to " + std::to_string(most),
                     std::to_string(value));
    return value;
}

double RecordColumns::number(int column) const {
    const SQLite::Column value = m_statement.getColumn(column);
    return value.isNull() ? std::numeric_limits<double>::quiet_NaN() : value.getDouble();
}

std::int64_t RecordColumns::microseconds(int column) const {
    return integer<std::int64_t>(column, -kMostTime_us, kMostTime_us);
}

TokenTrace RecordColumns::token(int first) const {
    TokenTrace token;
    token.position = integer<std::int32_t>(first, -1, kMostPositions);
    token.id = integer<std::int32_t>(first + 1, -1);
    token.phase = static_cast<Phase>(integer<int>(first + 2, 0, kPhaseCount - 1));
    token.flags = integer<std::uint8_t>(first + 3);
    token.turn = integer<std::int32_t>(first + 4);
    token.thinking_tokens = integer<std::int32_t>(first + 5);
    token.budget = integer<std::int32_t>(first + 6);
    token.logprob = static_cast<float>(number(first + 7));
    token.rank = integer<std::int32_t>(first + 8);
    return token;
}

LaneEvent RecordColumns::event() const {
    LaneEvent event;
    event.serial = serial(0);
    event.step = integer<std::int64_t>(1);
    event.time_us = microseconds(2);
    event.lane = integer<std::int32_t>(3, 0);
    event.position = integer<std::int32_t>(4, -1, kMostPositions);
    event.kind = static_cast<LaneEventKind>(integer<int>(5, 0, static_cast<int>(kLastLaneEventKind)));
    const ValueRange before = oldValuesOf(event.kind);
    const ValueRange now = valuesOf(event.kind);
    event.old_value = integer<std::int64_t>(6, before.least, before.most);
    event.value = integer<std::int64_t>(7, now.least, now.most);
    const std::string text = m_statement.getColumn(8).getString();
    std::memcpy(event.text, text.data(), std::min(text.size(), sizeof(event.text) - 1));
    return event;
}

std::string RecordColumns::place(int column) const {
    return std::string("table ") + m_table + ", serial " + std::to_string(m_statement.getColumn(0).getInt64()) + ", " +
           m_statement.getColumnName(column);
}

}  // namespace mixoscope
