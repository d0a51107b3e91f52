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

/// Tokens that a turn may have.
QString tokenLimit(std::int64_t tokens) {
    return tokens == 0 ? QObject::tr("none") : format::count(tokens);
}

/// Empty for events that are no change of settings.
QString labelOf(const LaneEvent& event, const QString& policy_before) {
    const auto budget = [](std::int64_t value) { return format::budgetOnAxis(static_cast<std::int32_t>(value)); };
    switch (event.kind) {
        case LaneEventKind::kBudgetChanged:
            return QObject::tr("budget %1 → %2").arg(budget(event.old_value), budget(event.value));
        case LaneEventKind::kModeChanged:
            return QObject::tr("mode %1 → %2").arg(modeName(event.old_value), modeName(event.value));
        case LaneEventKind::kPolicyChanged:
            return QObject::tr("policy %1 → %2").arg(policy_before, QString::fromUtf8(event.text)).simplified();
        case LaneEventKind::kSamplingChanged:
            return QObject::tr("sampling changed");
        case LaneEventKind::kEarlyStopChanged:
            return QObject::tr("early stop changed");
        case LaneEventKind::kMaxTokensChanged:
            return QObject::tr("turn limit %1 → %2").arg(tokenLimit(event.old_value), tokenLimit(event.value));
        case LaneEventKind::kIgnoreEosChanged:
            return event.value != 0 ? QObject::tr("goes on after the end of the turn")
                                    : QObject::tr("ends with the turn");
        case LaneEventKind::kAnswerNow:
            return QObject::tr("answer now at N = %1").arg(format::count(event.value));
        case LaneEventKind::kBudgetReached:
            return QObject::tr("budget reached at N = %1").arg(format::count(event.value));
        case LaneEventKind::kStopped:
            return QObject::tr("stopped");
        case LaneEventKind::kTurnStarted:
        case LaneEventKind::kFinished:
        case LaneEventKind::kForked:
            break;
    }
    return {};
}

/// What is changed between two turns is the next one's.
std::vector<LaneEvent> eventsOfTurn(const LaneSnapshot& lane, std::int32_t turn) {
    std::vector<LaneEvent> events;
    std::int32_t of = 0;
    for (const LaneEvent& event : lane.events) {
        if (of == turn) events.push_back(event);
        if (event.kind == LaneEventKind::kFinished) ++of;
    }
    return events;
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
    const std::vector<LaneEvent> events = eventsOfTurn(lane, wanted);
    const auto start = std::find_if(events.begin(), events.end(),
                                    [](const LaneEvent& event) { return event.kind == LaneEventKind::kTurnStarted; });
    std::vector<TimelineMark> marks;
    // Nothing tells which policy the first turn began with.
    QString policy = wanted < 1
                         ? QString()
                         : QString::fromStdString(lane.turns[static_cast<std::size_t>(wanted - 1)].settings.policy);
    for (auto event = events.begin(); event != events.end(); ++event) {
        const QString label = labelOf(*event, policy);
        if (event->kind == LaneEventKind::kPolicyChanged) policy = QString::fromUtf8(event->text);
        if (label.isEmpty()) continue;
        // A change before the turn has its place in the sequence of the turn before.
        const std::int32_t position = start != events.end() && event < start ? start->position : event->position;
        const bool has_details =
            event->kind == LaneEventKind::kSamplingChanged || event->kind == LaneEventKind::kEarlyStopChanged;
        const QString details = has_details ? u'\n' + QString::fromUtf8(event->text) : QString();
        marks.push_back({position, event->step, label,
                         QObject::tr("%1 at step %2, position %3%4")
                             .arg(label, format::count(event->step), format::count(position), details)});
    }
    return marks;
}

}  // namespace mixoscope
