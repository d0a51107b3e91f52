#include "views/recording_notice.h"

#include <QAction>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>
#include <algorithm>

#include "sessions/playback.h"
#include "sessions/workbench.h"
#include "views/format.h"
#include "views/theme.h"
#include "views/transport_bar.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

RecordingNotice::RecordingNotice(QWidget* parent)
    : QFrame(parent),
      m_title(new QLabel(this)),
      m_model(new QLabel(this)),
      m_continue(new QPushButton(this)),
      m_leave(new QPushButton(this)) {
    setObjectName(u"recording_notice"_s);
    setProperty("role", u"notice-warning"_s);
    m_title->setObjectName(u"recording_title"_s);
    m_title->setProperty("role", u"section"_s);
    m_title->setText(tr("A recording, read-only"));
    m_model->setObjectName(u"recording_model"_s);
    m_model->setTextFormat(Qt::PlainText);
    m_model->setWordWrap(true);
    m_continue->setObjectName(u"recording_continue"_s);
    m_leave->setObjectName(u"recording_leave"_s);
    m_leave->setText(tr("Back to the chat"));
    m_leave->setToolTip(tr("Close the recording and go back to the live chat, which went on meanwhile (Ctrl+W)"));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(14, 8, 10, 8);
    row->setSpacing(10);
    auto* texts = new QVBoxLayout;
    texts->setSpacing(2);
    texts->addWidget(m_title);
    texts->addWidget(m_model);
    row->addLayout(texts, 1);
    row->addWidget(m_continue, 0, Qt::AlignVCenter);
    row->addWidget(m_leave, 0, Qt::AlignVCenter);
    connect(m_leave, &QPushButton::clicked, this, &RecordingNotice::leaveAsked);
}

void RecordingNotice::offerContinuing(QAction& action) {
    const auto follow = [this, &action] {
        m_continue->setText(action.text());
        m_continue->setEnabled(action.isEnabled());
        m_continue->setToolTip(action.toolTip());
        m_continue->setAccessibleDescription(action.toolTip());
    };
    follow();
    connect(&action, &QAction::changed, this, follow);
    connect(m_continue, &QPushButton::clicked, &action, &QAction::trigger);
}

QString whyNotContinued(const WorkbenchSnapshot& snapshot) {
    const Playback* playback = snapshot.playback.get();
    if (playback == nullptr || snapshot.model == nullptr) return QObject::tr("Open a recorded session first");
    if (playback->state == PlaybackState::kReading) return QObject::tr("The recording is still being read");
    const bool compares =
        !snapshot.origins.empty() &&
        std::ranges::none_of(snapshot.origins, [](const LaneOrigin& lane) { return lane.role == LaneRole::kChat; });
    if (compares) return QObject::tr("A comparison: only a conversation can be gone on with");
    if (snapshot.lanes.empty()) return QObject::tr("The recording holds no tokens");
    if (!snapshot.model->imported_from.empty())
        return QObject::tr("Imported from %1: weights and settings, which it would go on with, were not recorded")
            .arg(format::plainText(snapshot.model->imported_from));
    if (playback->model.verdict == ModelAtHand::Verdict::kAbsent && !playback->model.by_name)
        return QObject::tr("Its model is not at hand: %1").arg(format::plainText(playback->model.detail));
    return {};
}

void RecordingNotice::showSnapshot(const WorkbenchSnapshot& snapshot) {
    const QString name = snapshot.model == nullptr ? QString() : format::plainText(snapshot.model->name);
    const QString hand = snapshot.playback == nullptr ? QString() : modelAtHandText(snapshot.playback->model);
    QString text = hand.isEmpty() ? name : tr("Model %1, %2").arg(name, hand);
    if (snapshot.model != nullptr && !snapshot.model->imported_from.empty())
        text += tr(" · routing imported from %1, which recorded no weights, probabilities, times or settings")
                    .arg(format::plainText(snapshot.model->imported_from));
    m_model->setText(text);
    m_model->setToolTip(format::plainText(snapshot.recorder.file.string()));
    m_leave->setVisible(snapshot.playback != nullptr);
}

QString RecordingNotice::facts() const {
    return tr("%1\n%2").arg(m_model->toolTip(), m_model->text());
}

}  // namespace mixoscope
