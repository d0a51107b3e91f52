#include "views/comparison_status.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <algorithm>

#include "sessions/comparison_snapshot.h"
#include "views/elided_label.h"
#include "views/format.h"
#include "views/models/checks_model.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMessageMs = 6000;

bool isRunning(const ComparedLane& lane) {
    return lane.free.turns.empty() || lane.free.turns.back().stop_reason == StopReason::kNone;
}

QString stateText(const WorkbenchSnapshot& snapshot) {
    const ComparisonSnapshot* comparison = snapshot.comparison.get();
    if (snapshot.model == nullptr) return QObject::tr("No model is open");
    if (comparison == nullptr) return QObject::tr("No lanes yet");
    const QString lanes = format::count(static_cast<std::int64_t>(comparison->lanes.size()));
    switch (comparison->state) {
        case ComparisonState::kRunning: {
            const auto running = std::ranges::count_if(comparison->lanes, isRunning);
            return running == 1 ? QObject::tr("● One lane goes on")
                                : QObject::tr("● %1 lanes decode in one batch").arg(format::count(running));
        }
        case ComparisonState::kForcing:
            return comparison->total > 0 ? QObject::tr("● Teacher-forced pass: %1 of %2 tokens")
                                               .arg(format::count(comparison->done), format::count(comparison->total))
                                         : QObject::tr("● Teacher-forced pass");
        case ComparisonState::kMeasuringAlone:
            return comparison->total > 0 ? QObject::tr("● Each lane alone: %1 of %2 tokens")
                                               .arg(format::count(comparison->done), format::count(comparison->total))
                                         : QObject::tr("● Each lane alone");
        case ComparisonState::kReady:
            break;
    }
    return QObject::tr("✓ Ready, %1 lanes").arg(lanes);
}

/// Of all lanes: the first broken check, else how many lanes hold.
struct LaneChecks {
    int hold = 0;
    int ran = 0;
    QString broken;
};
LaneChecks checksOf(const ComparisonSnapshot& comparison) {
    LaneChecks checks;
    for (const ComparedLane& lane : comparison.lanes) {
        const ChecksSummary summary = summarise(lane.free.checks);
        if (summary.verdict == ChecksVerdict::kNotRun) continue;
        ++checks.ran;
        if (summary.verdict == ChecksVerdict::kHold) ++checks.hold;
        for (const CheckResult& check : lane.free.checks) {
            if (check.ran && !check.holds && checks.broken.isEmpty())
                checks.broken = QString::fromStdString(check.violation);
        }
    }
    return checks;
}

}  // namespace

ComparisonStatus::ComparisonStatus(QWidget* parent) : QWidget(parent) {
    setObjectName(u"comparison_status"_s);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 0, 10, 0);
    row->setSpacing(18);
    m_state = addPart(u"comparison_state"_s);
    m_step = addPart(u"comparison_step"_s);
    m_rate = addPart(u"comparison_rate"_s);
    m_shared = addPart(u"comparison_shared"_s);
    m_checks = addPart(u"comparison_checks"_s);
    m_recorder = new ElidedLabel(this);  // a session's name is long
    m_recorder->setObjectName(u"comparison_recorder"_s);
    m_recorder->setFont(textFont(font_size::kTable));
    m_recorder->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    row->addStretch(1);
    row->addWidget(m_recorder, 100);  // where there is something to say
    m_message.setSingleShot(true);
    connect(&m_message, &QTimer::timeout, this,
            [this] { setPart(*m_state, m_state_text, tr("What the comparison does")); });
}

void ComparisonStatus::showMessage(const QString& message, bool warning) {
    setPart(*m_state, (warning ? u"⚠ "_s : QString()) + message, message);
    m_message.start(kMessageMs);
}

QLabel* ComparisonStatus::addPart(const QString& name) {
    auto* label = new QLabel(this);
    label->setObjectName(name);
    label->setFont(textFont(font_size::kTable));
    layout()->addWidget(label);
    return label;
}

void ComparisonStatus::setPart(QLabel& part, const QString& text, const QString& tip) {
    part.setVisible(!text.isEmpty());
    part.setText(text);
    part.setToolTip(tip);
}

void ComparisonStatus::showSnapshot(const WorkbenchSnapshot& snapshot) {
    m_state_text = stateText(snapshot);
    if (!m_message.isActive()) setPart(*m_state, m_state_text, tr("What the comparison does"));
    const ComparisonSnapshot* comparison = snapshot.comparison.get();
    const bool ran = comparison != nullptr && comparison->prompt_tokens > 0;
    setPart(*m_step,
            ran && comparison->step_ms > 0.0 ? tr("Step %1").arg(format::milliseconds(comparison->step_ms)) : QString(),
            tr("Mean decode step of the run, all lanes in it"));
    setPart(*m_rate,
            ran && comparison->tokens_per_s > 0.0
                ? tr("%1, all lanes").arg(format::tokensPerSecond(comparison->tokens_per_s))
                : QString(),
            tr("Tokens of all lanes together"));
    setPart(
        *m_shared,
        ran ? tr("Prompt %1 tokens, %2")
                  .arg(format::count(comparison->prompt_tokens),
                       comparison->prompt_copies == 1 ? tr("one copy")
                                                      : tr("%1 copies").arg(format::count(comparison->prompt_copies)))
            : QString(),
        tr("Lanes with the same prompt and policy share what was computed of it"));
    const LaneChecks checks = comparison != nullptr ? checksOf(*comparison) : LaneChecks{};
    const bool broken = checks.hold < checks.ran;
    setPart(*m_checks,
            checks.ran == 0 ? QString()
            : broken        ? tr("✕ Counts broken in %1 of %2 lanes").arg(checks.ran - checks.hold).arg(checks.ran)
                            : tr("✓ Counts hold in %1 of %2 lanes").arg(checks.hold).arg(comparison->lanes.size()),
            broken ? checks.broken : tr("Self-checks of the free runs"));
    setRole(*m_checks, broken ? u"chip-error"_s : u"chip-good"_s);
    const RecorderStatus& recorder = snapshot.comparison_recorder;
    const QString file = QFileInfo(QString::fromStdString(recorder.file.string())).fileName();
    switch (recorder.state) {
        case RecorderStatus::State::kRecording:
            setPart(*m_recorder, tr("Recording %1").arg(file), QString::fromStdString(recorder.file.string()));
            break;
        case RecorderStatus::State::kFailed:
            setPart(*m_recorder, tr("✕ Not recorded"),
                    recorder.error ? format::plainText(Error(*recorder.error).what()) : QString());
            break;
        case RecorderStatus::State::kOff:
        case RecorderStatus::State::kWaiting:
            setPart(*m_recorder, file.isEmpty() ? QString() : tr("Recorded in %1").arg(file),
                    QString::fromStdString(recorder.file.string()));
            break;
    }
}

}  // namespace mixoscope
