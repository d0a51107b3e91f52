#include "views/transport_bar.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QToolButton>
#include <algorithm>
#include <utility>

#include "views/format.h"
#include "views/seek_bar.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kWordsFrom = 1200;

const std::pair<const char16_t*, double> kSpeeds[] = {{u"¼×", 0.25}, {u"½×", 0.5}, {u"1×", 1.0},   {u"2×", 2.0},
                                                      {u"4×", 4.0},  {u"8×", 8.0}, {u"16×", 16.0}, {u"max", 0.0}};

}  // namespace

TransportBar::TransportBar(QWidget* parent) : QWidget(parent) {
    setObjectName(u"transport"_s);
    setAccessibleName(tr("Playback of the recording"));
    m_mark = new QLabel(tr("Recording"), this);
    m_mark->setObjectName(u"transport_mark"_s);
    m_mark->setProperty("role", u"chip-warning"_s);
    m_start = addButton(u"transport_start"_s, u"skip-back"_s, tr("Go to the beginning (Home)"), &TransportBar::toStart);
    m_back = addButton(u"transport_back"_s, u"chevron-left"_s, tr("Go back a token (Left; Page Up: a turn)"),
                       &TransportBar::back);
    m_play = new QPushButton(this);
    m_play->setObjectName(u"transport_play"_s);
    m_play->setFixedWidth(86);
    connect(m_play, &QPushButton::clicked, this, &TransportBar::togglePlay);
    m_on = addButton(u"transport_on"_s, u"chevron-right"_s, tr("Go on a token (Right; Page Down: a turn)"),
                     &TransportBar::on);
    m_end = addButton(u"transport_end"_s, u"skip-forward"_s, tr("Go to the end (End)"), &TransportBar::toEnd);
    m_speed = new QComboBox(this);
    m_speed->setObjectName(u"transport_speed"_s);
    m_speed->setAccessibleName(tr("Speed"));
    for (const auto& [title, speed] : kSpeeds) m_speed->addItem(QString::fromUtf16(title), speed);
    m_speed->setCurrentIndex(2);
    m_speed->setToolTip(
        tr("Choose the speed, times the recorded pace; pauses of more than a second are cut to a second"));
    connect(m_speed, &QComboBox::currentIndexChanged, this,
            [this] { Q_EMIT speedAsked(m_speed->currentData().toDouble()); });
    m_loop_button = addButton(u"transport_loop"_s, {}, {}, &TransportBar::stepLoop);
    m_loop_button->setText(tr("A–B"));
    m_loop_button->setAccessibleName(tr("Loop"));
    m_bookmark = addButton(u"transport_bookmark"_s, u"bookmark"_s,
                           tr("Mark this place (B); Shift+J and Shift+K go to the bookmarks"), &TransportBar::mark);
    m_seek = new SeekBar(this);
    connect(m_seek, &SeekBar::loopChosen, this,
            [this](qint64 first, qint64 last) { setLoop({.first = first, .last = last > first ? last : 0}); });
    connect(m_seek, &SeekBar::stepChosen, this, &TransportBar::goTo);
    m_token_label = new QLabel(tr("Token"), this);
    m_token = new QSpinBox(this);
    m_token->setObjectName(u"transport_token"_s);
    m_token->setAccessibleName(tr("Token"));
    m_token->setFont(monoFont());
    m_token->setGroupSeparatorShown(true);
    m_token->setKeyboardTracking(false);
    m_token->setToolTip(tr("Go to the state with this many tokens fed to the model"));
    connect(m_token, &QSpinBox::valueChanged, this, [this](int row) {
        // One further than a prompt's last token but one is the next step, not the end of the same one.
        const std::int64_t step = m_playback.index->stepOfRow(row);
        goTo(step == m_asked && row < m_playback.index->rowsAt(m_asked) ? step - 1 : step);
        showPlace();
    });
    m_tokens = new QLabel(this);
    m_tokens->setObjectName(u"transport_tokens"_s);
    m_tokens->setFont(monoFont());
    m_leave = new QPushButton(tr("Back to the chat"), this);
    m_leave->setObjectName(u"transport_leave"_s);
    m_leave->setToolTip(tr("Close the recording and go back to the live chat, which went on meanwhile (Ctrl+W)"));
    connect(m_leave, &QPushButton::clicked, this, &TransportBar::leaveAsked);

    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 5, 10, 5);
    row->setSpacing(6);
    for (QWidget* part : std::initializer_list<QWidget*>{m_mark, m_start, m_back, m_play, m_on, m_end, m_speed,
                                                         m_loop_button, m_bookmark})
        row->addWidget(part);
    row->addWidget(m_seek, 1);
    for (QWidget* part : std::initializer_list<QWidget*>{m_token_label, m_token, m_tokens, m_leave})
        row->addWidget(part);
    setFocusProxy(m_seek);
    m_playback.index = std::make_shared<PlaybackIndex>();
    showPlayback(m_playback);
    showLoop();
}

QToolButton* TransportBar::addButton(const QString& name, const QString& icon, const QString& tip,
                                     void (TransportBar::*act)()) {
    auto* button = new QToolButton(this);
    button->setObjectName(name);
    if (!icon.isEmpty()) button->setIcon(themedIcon(icon));
    button->setToolTip(tip);
    button->setAccessibleName(tip.section(u" ("_s, 0, 0));
    button->setFocusPolicy(Qt::StrongFocus);
    button->setAutoRepeat(icon.startsWith(u"chevron"_s));
    connect(button, &QToolButton::clicked, this, act);
    return button;
}

void TransportBar::setRecording(const QString& facts) {
    m_mark->setToolTip(facts);
}

void TransportBar::showPlayback(const Playback& playback) {
    const bool reading = playback.state == PlaybackState::kReading;
    const bool playing = playback.state == PlaybackState::kPlaying;
    const bool other = playback.index != m_playback.index;
    m_playback = playback;
    m_asked = playback.step;
    const bool any = !reading && playback.index->count() > 0;
    if (other) {
        const QSignalBlocker blocker(m_token);
        m_seek->setIndex(playback.index);
        m_loop = {};
        showLoop();
        m_token->setRange(any ? 1 : 0, static_cast<int>(std::min<std::int64_t>(playback.index->rows(), 1'000'000'000)));
        m_token->setMinimumWidth(m_token->sizeHint().width());
    }
    for (QWidget* part : std::initializer_list<QWidget*>{m_start, m_back, m_play, m_on, m_end, m_speed, m_loop_button,
                                                         m_bookmark, m_seek, m_token})
        part->setEnabled(any);
    m_seek->setReadShare(!reading                  ? 1.0
                         : playback.rows_total > 0 ? std::min(1.0, static_cast<double>(playback.rows_read) /
                                                                       static_cast<double>(playback.rows_total))
                                                   : 0.0);
    m_seek->setStep(playback.step);
    m_play->setText(playing ? tr("Pause") : tr("Play"));
    m_play->setIcon(themedIcon(playing ? u"pause"_s : u"play"_s));
    m_play->setToolTip(playing ? tr("Pause (Space)") : tr("Play on from here; from the end, all of it (Space)"));
    m_tokens->setText(
        reading ? tr("reading %1 of %2").arg(format::count(playback.rows_read), format::count(playback.rows_total))
                : tr("of %1").arg(format::count(playback.index->rows())));
    m_token_label->setVisible(!reading);
    m_token->setVisible(!reading);
    showPlace();
}

void TransportBar::showPlace() {
    const QSignalBlocker blocker(m_token);
    m_token->setValue(static_cast<int>(m_playback.index->rowsAt(std::min(m_asked, m_playback.index->count()))));
}

double TransportBar::speed() const {
    return m_speed->currentData().toDouble();
}

void TransportBar::goTo(std::int64_t step) {
    const std::int64_t count = m_playback.index->count();
    if (count == 0) return;
    m_asked = std::clamp<std::int64_t>(step, 1, count);
    m_seek->setStep(m_asked);
    showPlace();
    Q_EMIT stepAsked(m_asked);
}

void TransportBar::toStart() {
    goTo(1);
}
void TransportBar::back() {
    goTo(m_asked - 1);
}
void TransportBar::on() {
    goTo(m_asked + 1);
}
void TransportBar::toEnd() {
    goTo(m_playback.index->count());
}

void TransportBar::setBookmarks(std::vector<std::int64_t> rows) {
    m_bookmarks = std::move(rows);
    m_seek->setBookmarks(m_bookmarks);
}

std::int64_t TransportBar::row() const {
    return m_playback.index->rowsAt(std::min(m_asked, m_playback.index->count()));
}

void TransportBar::goToRow(std::int64_t row) {
    goTo(m_playback.index->stepOfRow(row));
}

void TransportBar::mark() {
    if (row() > 0) Q_EMIT bookmarkAsked(row());
}

void TransportBar::toBookmark(int by) {
    const auto here = std::ranges::lower_bound(m_bookmarks, row());
    if (by < 0) {
        if (here != m_bookmarks.begin()) goToRow(*(here - 1));
    } else if (const auto next = std::ranges::upper_bound(m_bookmarks, row()); next != m_bookmarks.end()) {
        goToRow(*next);
    }
}

void TransportBar::stepLoop() {
    if (m_loop.first == 0) {
        setLoop({.first = m_asked, .last = 0});
    } else if (m_loop.set() || m_asked == m_loop.first) {
        setLoop({});
    } else {
        setLoop({.first = std::min(m_loop.first, m_asked), .last = std::max(m_loop.first, m_asked)});
    }
}

void TransportBar::setLoop(const PlaybackLoop& loop) {
    m_loop = loop;
    showLoop();
    Q_EMIT loopAsked(m_loop.first, m_loop.last);
}

void TransportBar::showLoop() {
    m_seek->setLoop(m_loop);
    m_loop_button->setCheckable(true);
    m_loop_button->setChecked(m_loop.first > 0);
    m_loop_button->setText(m_loop.first > 0 && !m_loop.set() ? tr("A–") : tr("A–B"));
    const auto token = [this](std::int64_t step) { return format::count(m_playback.index->rowsAt(step)); };
    m_loop_button->setToolTip(
        m_loop.set() ? tr("Playing tokens %1 to %2 again and again; end the loop (L)")
                           .arg(token(m_loop.first), token(m_loop.last))
        : m_loop.first > 0
            ? tr("The loop begins at token %1; go elsewhere and set its other end (L)").arg(token(m_loop.first))
            : tr("Begin a loop at this place (L), or drag over the bar with Shift"));
    m_loop_button->setAccessibleDescription(m_loop_button->toolTip());
}

void TransportBar::togglePlay() {
    if (!m_play->isEnabled()) return;
    if (m_playback.state == PlaybackState::kPlaying) {
        Q_EMIT pauseAsked();
    } else {
        Q_EMIT playAsked();
    }
}

bool TransportBar::pressKey(const QKeyEvent& event) {
    const Qt::KeyboardModifiers modifiers = event.modifiers() & ~Qt::KeypadModifier;
    if (m_playback.index->count() == 0) return false;
    if (modifiers == Qt::ShiftModifier && (event.key() == Qt::Key_J || event.key() == Qt::Key_K)) {
        toBookmark(event.key() == Qt::Key_J ? -1 : 1);
        return true;
    }
    if (modifiers != Qt::NoModifier) return false;
    switch (event.key()) {
        case Qt::Key_B:
            mark();
            return true;
        case Qt::Key_L:
            stepLoop();
            return true;
        case Qt::Key_Space:
            togglePlay();
            return true;
        case Qt::Key_Left:
            back();
            return true;
        case Qt::Key_Right:
            on();
            return true;
        case Qt::Key_PageUp:
            goTo(m_playback.index->previousTurn(m_asked));
            return true;
        case Qt::Key_PageDown:
            goTo(m_playback.index->nextTurn(m_asked));
            return true;
        case Qt::Key_Home:
            toStart();
            return true;
        case Qt::Key_End:
            toEnd();
            return true;
        default:
            return false;
    }
}

void TransportBar::keyPressEvent(QKeyEvent* event) {
    if (!pressKey(*event)) QWidget::keyPressEvent(event);
}

void TransportBar::fitWidth(int window_width) {
    const bool words = window_width >= kWordsFrom;
    m_play->setFixedWidth(words ? 86 : 74);
    m_token_label->setText(words ? tr("Token") : QString());
}

QString modelAtHandText(const ModelAtHand& model) {
    switch (model.verdict) {
        case ModelAtHand::Verdict::kUnknown:
            return QObject::tr("it has no files");
        case ModelAtHand::Verdict::kSameFiles:
            return QObject::tr("its files are at hand");
        case ModelAtHand::Verdict::kOtherFiles:
            return QObject::tr("its files have changed: %1").arg(format::plainText(model.detail));
        case ModelAtHand::Verdict::kAbsent:
            return QObject::tr("not at hand: %1").arg(format::plainText(model.detail));
    }
    return {};
}

}  // namespace mixoscope
