#include "views/fork_tree_data.h"

#include <QObject>
#include <algorithm>

#include "views/format.h"
#include "views/lane_style.h"
#include "views/lanes_layout.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

QString verdictOf(const ComparisonSnapshot& comparison, const ComparedLane& lane) {
    const ComparedLane& base = comparison.lanes.front();
    if (&lane == &base || lane.free.turns.empty()) return {};
    const QString letter = laneLetter(base.origin.tag);
    if (lane.first_divergence >= 0)
        return QObject::tr("≠ %1 from token %2").arg(letter, format::count(lane.first_divergence));
    const bool ended = lane.free.turns.back().stop_reason != StopReason::kNone;
    return ended ? QObject::tr("= %1").arg(letter) : QObject::tr("= %1 so far").arg(letter);
}

/// What an edit adds to the policy is said without the policy: "policy model → model+ban:experts=5" as
/// "+ban:experts=5".
QString shortChange(const QString& change) {
    static const QString kPolicy = u"policy "_s;
    static const QString kArrow = u" → "_s;
    const qsizetype from = change.indexOf(kPolicy);
    const qsizetype arrow = from < 0 ? -1 : change.indexOf(kArrow, from);
    if (arrow < 0) return change;
    const QString before = change.mid(from + kPolicy.size(), arrow - from - kPolicy.size());
    const qsizetype after = arrow + kArrow.size();
    if (!QStringView(change).mid(after).startsWith(before + u'+')) return change;
    return change.left(from) + change.mid(after + before.size());
}

ForkTreeRow rowOf(const ComparisonSnapshot& comparison, std::size_t index) {
    const ComparedLane& lane = comparison.lanes[index];
    ForkTreeRow row;
    row.lane = index;
    row.end = lane.free.history.tokenCount();
    row.change = QString::fromStdString(settingsInForce(lane).policy);
    row.verdict = verdictOf(comparison, lane);
    if (!lane.free.turns.empty()) row.answer = format::plainText(lane.free.turns.back().answer_text).simplified();
    if (lane.origin.role != LaneRole::kFork) return row;
    row.first = lane.origin.position;
    row.change = lane.origin.change.empty() ? QObject::tr("nothing changed")
                                            : shortChange(QString::fromStdString(lane.origin.change));
    if (row.first < row.end) row.token = format::tokenText(lane.free.history.token(row.first).bytes);
    return row;
}

void addWithForks(const ComparisonSnapshot& comparison, std::size_t index, int parent, std::vector<ForkTreeRow>& rows) {
    ForkTreeRow row = rowOf(comparison, index);
    row.parent = parent;
    row.depth = parent < 0 ? 0 : rows[static_cast<std::size_t>(parent)].depth + 1;
    const int at = static_cast<int>(rows.size());
    rows.push_back(row);
    std::vector<std::size_t> forks;
    for (std::size_t other = 0; other < comparison.lanes.size(); ++other) {
        const LaneOrigin& origin = comparison.lanes[other].origin;
        if (origin.role == LaneRole::kFork && origin.parent == comparison.lanes[index].origin.lane)
            forks.push_back(other);
    }
    std::ranges::stable_sort(forks, [&](std::size_t a, std::size_t b) {
        return comparison.lanes[a].origin.position > comparison.lanes[b].origin.position;
    });
    for (const std::size_t fork : forks) addWithForks(comparison, fork, at, rows);
}

}  // namespace

std::vector<ForkTreeRow> forkTree(const ComparisonSnapshot& comparison) {
    std::vector<ForkTreeRow> rows;
    for (std::size_t index = 0; index < comparison.lanes.size(); ++index) {
        const LaneOrigin& origin = comparison.lanes[index].origin;
        const bool has_parent = std::ranges::any_of(comparison.lanes, [&](const ComparedLane& lane) {
            return lane.origin.lane == origin.parent && lane.origin.lane != origin.lane;
        });
        // A fork whose parent was removed stands by itself.
        if (origin.role != LaneRole::kFork || !has_parent) addWithForks(comparison, index, -1, rows);
    }
    return rows;
}

bool hasForks(const ComparisonSnapshot& comparison) {
    return std::ranges::any_of(comparison.lanes,
                               [](const ComparedLane& lane) { return lane.origin.role == LaneRole::kFork; });
}

}  // namespace mixoscope
