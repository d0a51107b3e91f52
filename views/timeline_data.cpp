// What the timeline's tracks are drawn from.
#include <QObject>
#include <algorithm>

#include "views/format.h"
#include "views/timeline.h"
#include "views/token_strip.h"

namespace mixoscope {
namespace {

QString modeName(std::int64_t mode) {
    switch (static_cast<ThinkingMode>(mode)) {
        case ThinkingMode::kThink:
            return QObject::tr("think");
        case ThinkingMode::kNoThink:
            return QObject::tr("no think");
        case ThinkingMode::kAuto:
            break;
    }
    return QObject::tr("auto");
}

/// Empty for events that are no change of settings.
QString labelOf(const LaneEvent& event) {
    const auto budget = [](std::int64_t value) { return format::budgetOnAxis(static_cast<std::int32_t>(value)); };
    switch (event.kind) {
        case LaneEventKind::kBudgetChanged:
            return QObject::tr("budget %1 → %2").arg(budget(event.old_value), budget(event.value));
        case LaneEventKind::kModeChanged:
            return QObject::tr("mode %1 → %2").arg(modeName(event.old_value), modeName(event.value));
        case LaneEventKind::kPolicyChanged:
            return QObject::tr("policy %1").arg(QString::fromUtf8(event.text));
        case LaneEventKind::kSamplingChanged:
            return QObject::tr("sampling changed");
        case LaneEventKind::kAnswerNow:
            return QObject::tr("answer now at N = %1").arg(format::count(event.value));
        case LaneEventKind::kBudgetReached:
            return QObject::tr("budget reached at N = %1").arg(format::count(event.value));
        case LaneEventKind::kStopped:
            return QObject::tr("stopped");
        case LaneEventKind::kTurnStarted:
        case LaneEventKind::kFinished:
            break;
    }
    return {};
}

}  // namespace

void TimelineData::update(const History& history) {
    auto done = static_cast<std::int32_t>(m_entropy.size());
    if (wasRewritten(history, done, m_last_id, m_last_step)) {
        m_entropy.clear();
        m_thinking.clear();
        m_budget.clear();
        done = 0;
    }
    // The newest token had no routing when it was added.
    if (done > 0) m_entropy.back() = static_cast<float>(meanEntropy(history, done - 1));
    for (; done < history.tokenCount(); ++done) {
        const TokenRecord& token = history.token(done);
        const bool in_block = token.trace.phase == Phase::kThinking;
        m_entropy.push_back(static_cast<float>(meanEntropy(history, done)));
        m_thinking.push_back(in_block ? token.trace.thinking_tokens : -1);
        m_budget.push_back(in_block ? token.trace.budget : -1);
        m_last_id = token.trace.id;
        m_last_step = token.step;
    }
}

std::vector<TimelineMark> marksOfTurn(const LaneSnapshot& lane, std::int32_t turn) {
    const auto turns = static_cast<std::int32_t>(lane.turns.size());
    const std::int32_t wanted = turn < 0 ? turns - 1 : turn;
    std::int32_t current = -1;
    std::vector<TimelineMark> marks;
    for (const LaneEvent& event : lane.events) {
        if (event.kind == LaneEventKind::kTurnStarted) ++current;
        if (std::max(current, 0) != wanted) continue;
        const QString label = labelOf(event);
        if (label.isEmpty()) continue;
        const QString sampling =
            event.kind == LaneEventKind::kSamplingChanged ? u'\n' + QString::fromUtf8(event.text) : QString();
        marks.push_back({event.position, event.step, label,
                         QObject::tr("%1 at step %2, position %3%4")
                             .arg(label, format::count(event.step), format::count(event.position), sampling)});
    }
    return marks;
}

}  // namespace mixoscope
