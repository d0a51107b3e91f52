#include "app/window/recording_continuation.h"

#include <QMessageBox>
#include <QPushButton>

#include "views/format.h"
#include "views/recording_notice.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

RecordingContinuation::RecordingContinuation(Workbench& workbench, QWidget* window)
    : QObject(window),
      m_workbench(workbench),
      m_window(window),
      m_action(new QAction(themedIcon(u"fork"_s), tr("Continue from here"), this)) {
    m_action->setObjectName(u"action_continue_recording"_s);
    m_action->setShortcut(QKeySequence(u"Ctrl+G"_s));
    m_action->setEnabled(false);
}

RecordingContinuation::~RecordingContinuation() = default;

void RecordingContinuation::begin(const QString& file, std::int64_t step, bool stop_there) {
    m_request = {.file = file.toStdString(), .step = step, .stop_there = stop_there};
    ask();
}

void RecordingContinuation::ask() {
    m_asked_before = m_workbench.snapshot()->continues_asked;
    m_waiting = true;
    refresh();
    if (m_shown != nullptr && m_shown->recorded) {
        m_live = std::make_unique<WorkbenchBridge>(WorkbenchBridge::sourceOf(m_workbench));
        // Later: what is found may end the bridge.
        connect(
            m_live.get(), &WorkbenchBridge::snapshotChanged, this,
            [this] {
                if (m_live != nullptr) lookAt(*m_live->latest());
            },
            Qt::QueuedConnection);
    }
    m_workbench.continueRecording(m_request);
}

void RecordingContinuation::stopListening() {
    m_live.reset();
}

void RecordingContinuation::takeSnapshot(const SnapshotPointer& snapshot) {
    m_shown = snapshot;
    if (!snapshot->recorded) lookAt(*snapshot);
    refresh();
}

void RecordingContinuation::refresh() {
    if (m_shown == nullptr) return;
    const QString why_not = m_waiting ? tr("The recorded model is being opened") : whyNotContinued(*m_shown);
    m_action->setEnabled(why_not.isEmpty());
    m_action->setToolTip(u"%1 (%2)"_s.arg(
        why_not.isEmpty() ? tr("Load the model again and go on from this step in a new conversation; the recording "
                               "stays as it is")
                          : why_not,
        m_action->shortcut().toString(QKeySequence::NativeText)));
}

void RecordingContinuation::lookAt(const WorkbenchSnapshot& live) {
    if (!m_waiting || live.continues_asked == m_asked_before) return;
    m_waiting = false;
    stopListening();
    refresh();
    if (!live.continue_error) {
        Q_EMIT begun();
    } else if (live.continue_other_model) {
        askWhetherOtherModel(*live.continue_error);
    } else {
        tellRefusal(*live.continue_error);
    }
}

QMessageBox* RecordingContinuation::makeMessage(const ErrorParts& parts) {
    auto* box = new QMessageBox(QMessageBox::Warning, tr("Continue from here"), format::plainText(parts.what),
                                QMessageBox::Cancel, m_window);
    QStringList lines;
    if (!parts.where.empty()) lines << format::plainText(parts.where);
    if (!parts.expected.empty()) lines << tr("expected: %1").arg(format::plainText(parts.expected));
    if (!parts.found.empty()) lines << tr("found: %1").arg(format::plainText(parts.found));
    if (!parts.advice.empty()) lines << format::plainText(parts.advice);
    box->setTextFormat(Qt::PlainText);
    box->setInformativeText(lines.join(u'\n'));
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->setDefaultButton(QMessageBox::Cancel);
    return box;
}

void RecordingContinuation::askWhetherOtherModel(const ErrorParts& difference) {
    QMessageBox* box = makeMessage(difference);
    box->setObjectName(u"continue_other_model"_s);
    box->setInformativeText(box->informativeText() +
                            tr("\n\nThe recorded tokens stay as they are; what follows would be this model's."));
    QPushButton* all_the_same = box->addButton(tr("Continue anyway"), QMessageBox::AcceptRole);
    all_the_same->setObjectName(u"continue_anyway"_s);
    connect(box, &QDialog::finished, this, [this, box, all_the_same] {
        if (box->clickedButton() != all_the_same) {
            Q_EMIT refused();
            return;
        }
        m_request.other_model = true;
        ask();
    });
    box->open();
}

void RecordingContinuation::tellRefusal(const ErrorParts& refusal) {
    QMessageBox* box = makeMessage(refusal);
    box->setObjectName(u"continue_refused"_s);
    box->setStandardButtons(QMessageBox::Ok);
    box->open();
    Q_EMIT refused();
}

}  // namespace mixoscope
