#include "views/status_line.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QMouseEvent>
#include <algorithm>
#include <chrono>

#include "sessions/playback.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

const QString kWarningSign = u"⚠"_s;
const QString kErrorSign = u"✗"_s;

void setPart(StatusPart* part, const QString& text, const QString& tip) {
    part->setText(text);
    part->setToolTip(tip);
    part->setAccessibleName(text);
    part->setProperty("has_text", !text.isEmpty());
}

QString recordingText(const Playback* playback) {
    if (playback == nullptr) return QObject::tr("Recorded session");
    switch (playback->state) {
        case PlaybackState::kReading:
            return QObject::tr("Reading the recording");
        case PlaybackState::kPaused:
            return QObject::tr("Recording, paused");
        case PlaybackState::kPlaying:
            return QObject::tr("● Playing the recording");
    }
    return {};
}

QString age(double seconds) {
    if (seconds < 60.0) return QObject::tr("%1 s ago").arg(seconds, 0, 'f', 1);
    return QObject::tr("%1 min ago").arg(static_cast<int>(seconds / 60.0));
}

}  // namespace

StatusLine::StatusLine(WorkbenchBridge& bridge, QWidget* parent) : QWidget(parent), m_bridge(bridge) {
    setObjectName(u"status_line"_s);
    setFixedHeight(25);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 0, 10, 0);
    row->setSpacing(18);
    m_state = addPart(u"status_state"_s, u"log"_s);
    m_ttft = addPart(u"status_ttft"_s, u"timeline"_s);
    m_tpot = addPart(u"status_tpot"_s, u"timeline"_s);
    m_rate = addPart(u"status_rate"_s, u"timeline"_s);
    m_probes = addPart(u"status_probes"_s, u"checks"_s);
    m_context = addPart(u"status_context"_s, u"timeline"_s);
    m_checks = addPart(u"status_checks"_s, u"checks"_s);
    for (StatusPart* part : {m_state, m_ttft, m_tpot, m_rate, m_probes, m_context, m_checks}) row->addWidget(part);
    row->addStretch(1);
    m_recorder = addPart(u"status_recorder"_s, u"sessions"_s);
    row->addWidget(m_recorder);
    m_dropping = {m_context, m_probes, m_rate, m_tpot, m_ttft};

    m_age.setInterval(std::chrono::milliseconds(500));
    connect(&m_age, &QTimer::timeout, this, [this] { showRecorder(*m_bridge.latest()); });
    m_message.setSingleShot(true);
    m_message.setInterval(std::chrono::seconds(8));
    connect(&m_message, &QTimer::timeout, this, [this] { showMessage({}, false); });
    connect(&bridge, &WorkbenchBridge::snapshotChanged, this, &StatusLine::takeSnapshot);
    takeSnapshot(bridge.latest());
}

void StatusPart::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton && rect().contains(event->position().toPoint())) Q_EMIT clicked();
}

StatusPart* StatusLine::addPart(const QString& name, const QString& panel) {
    auto* part = new StatusPart(this);
    part->setObjectName(name);
    part->setFont(textFont(font_size::kTable));
    part->setTextFormat(Qt::PlainText);
    part->setCursor(Qt::PointingHandCursor);
    part->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    connect(part, &StatusPart::clicked, this, [this, panel] { Q_EMIT panelAsked(panel); });
    return part;
}

void StatusLine::showMessage(const QString& message, bool warning) {
    m_message_text = message;
    m_message_warns = warning;
    if (message.isEmpty()) {
        m_message.stop();
    } else {
        m_message.start();
    }
    takeSnapshot(m_bridge.latest());
}

void StatusLine::takeSnapshot(const SnapshotPointer& snapshot) {
    const LaneSnapshot* lane = findLane(snapshot, 0);
    const TurnFacts* turn = lane == nullptr || lane->turns.empty() ? nullptr : &lane->turns.back();
    showState(*snapshot, lane);
    showSpeed(turn);
    setPart(m_probes,
            snapshot->probes_cost < 0.0 ? QString() : tr("Probes cost %1").arg(format::percent(snapshot->probes_cost)),
            tr("Share of the step time that the probes take"));
    const bool has_context = snapshot->model != nullptr && snapshot->model->context_tokens > 0;
    setPart(m_context,
            has_context
                ? tr("Context %1 / %2")
                      .arg(format::count(snapshot->context_used), format::count(snapshot->model->context_tokens))
                : QString(),
            tr("Tokens in the sequence, of those that the model can hold"));
    showChecks(lane);
    showRecorder(*snapshot);
    dropParts();
}

void StatusLine::showState(const WorkbenchSnapshot& snapshot, const LaneSnapshot* lane) {
    QString text;
    QString icon;
    if (!m_message_text.isEmpty()) {
        text = m_message_text;
        icon = m_message_warns ? kWarningSign : QString();
    } else if (snapshot.turn_error.has_value() && snapshot.state == WorkbenchState::kReady) {
        text = format::plainText(snapshot.turn_error->what);
        icon = kWarningSign;
    } else {
        switch (snapshot.state) {
            case WorkbenchState::kNoModel:
                text = snapshot.load_error.has_value()
                           ? snapshot.recorded ? tr("Session not opened") : tr("Model not opened")
                           : tr("No model open");
                icon = snapshot.load_error.has_value() ? kErrorSign : QString();
                break;
            case WorkbenchState::kLoading:
                text = tr("Opening the model");
                break;
            case WorkbenchState::kReady:
                text = snapshot.recorded ? recordingText(snapshot.playback.get()) : tr("Ready");
                break;
            case WorkbenchState::kGenerating:
                text = lane == nullptr || lane->state == LaneState::kPrefill ? tr("Reading the prompt")
                       : lane->state == LaneState::kThinking                 ? tr("● Thinking")
                                                                             : tr("● Answering");
                break;
            case WorkbenchState::kComparing:
                text = tr("● Comparing lanes");
                break;
            case WorkbenchState::kAttributing:
                text = tr("● Measuring experts");
                break;
        }
    }
    if (!icon.isEmpty()) text = icon + u' ' + text;
    setRole(*m_state, icon.isEmpty() ? QString() : icon == kErrorSign ? u"chip-error"_s : u"chip-warning"_s);
    setPart(m_state, fontMetrics().elidedText(text, Qt::ElideRight, std::max(200, width() / 2)), text);
}

void StatusLine::showSpeed(const TurnFacts* turn) {
    const auto show = [](StatusPart* part, const QString& text, const QString& tip) { setPart(part, text, tip); };
    const bool begun = turn != nullptr && turn->ttft_ms > 0.0;
    show(m_ttft, begun ? tr("TTFT %1").arg(format::milliseconds(turn->ttft_ms)) : QString(),
         tr("Time from sending to the first token"));
    const bool several = begun && turn->tpot_ms > 0.0;
    show(m_tpot, several ? tr("TPOT %1").arg(format::milliseconds(turn->tpot_ms)) : QString(),
         tr("Mean time per token after the first"));
    show(m_rate, several ? format::tokensPerSecond(turn->tokens_per_s) : QString(), tr("Tokens a second, 1 / TPOT"));
}

void StatusLine::showChecks(const LaneSnapshot* lane) {
    const CheckResult* broken = nullptr;
    int ran = 0;
    int waiting = 0;
    if (lane != nullptr) {
        for (const CheckResult& check : lane->checks) {
            ++(check.ran ? ran : waiting);
            if (check.ran && !check.holds && broken == nullptr) broken = &check;
        }
    }
    if (broken != nullptr) {
        setRole(*m_checks, u"chip-error"_s);
        setPart(m_checks, tr("✗ %1").arg(format::plainText(broken->violation)), tr("A self-check is broken: show it"));
    } else if (ran > 0) {
        setRole(*m_checks, u"chip-good"_s);
        const QString rest = waiting > 0 ? tr(", %1 not run").arg(waiting) : QString();
        setPart(m_checks, tr("✓ %1 of %1 checks hold").arg(ran) + rest, tr("Show the self-checks"));
    } else {
        setPart(m_checks, {}, {});
    }
}

void StatusLine::showRecorder(const WorkbenchSnapshot& snapshot) {
    const RecorderStatus& recorder = snapshot.recorder;
    const QString file = QFileInfo(QString::fromStdString(recorder.file.string())).fileName();
    QString text;
    QString tip = QString::fromStdString(recorder.file.string());
    QString role;
    switch (recorder.state) {
        case RecorderStatus::State::kOff:
            if (snapshot.recorded && snapshot.load_error.has_value()) break;  // there is no file to speak of
            if (snapshot.recorded) {
                text = tr("%1 · %2 · read-only").arg(file, format::bytes(recorder.bytes));
                break;
            }
            text = tr("Not recording");
            tip = tr("Turn recording on with the Rec button");
            break;
        case RecorderStatus::State::kWaiting:
            text = tr("Recording starts with the first message");
            tip = tr("Each conversation is written to a session file of its own");
            break;
        case RecorderStatus::State::kRecording:
            text = tr("● Recording %1 · saved %2 · %3")
                       .arg(file, age(recorder.commit_age_s), format::bytes(recorder.bytes));
            break;
        case RecorderStatus::State::kFailed:
            role = u"chip-error"_s;
            text = tr("⚠ Recording stopped: %1")
                       .arg(recorder.error.has_value() ? format::plainText(recorder.error->what) : QString());
            if (recorder.error.has_value()) tip = format::plainText(Error(*recorder.error).what());
            break;
    }
    if (recorder.lost > 0) text += tr(" · %1 records lost").arg(format::count(recorder.lost));
    setRole(*m_recorder, role);
    setPart(m_recorder, text, tip);
}

void StatusLine::dropParts() {
    int needed = 40;
    for (StatusPart* part : {m_state, m_ttft, m_tpot, m_rate, m_probes, m_context, m_checks, m_recorder}) {
        const bool has_text = part->property("has_text").toBool();
        part->setVisible(has_text);
        if (has_text) needed += part->sizeHint().width() + 18;
    }
    for (StatusPart* part : m_dropping) {
        if (needed <= width()) break;
        if (!part->property("has_text").toBool()) continue;
        part->hide();
        needed -= part->sizeHint().width() + 18;
    }
}

void StatusLine::resizeEvent(QResizeEvent*) {
    dropParts();
}

}  // namespace mixoscope
