#include "app/window/recording_playback.h"

#include <QToolBar>

#include "sessions/session_player.h"
#include "views/recording_bookmarks.h"
#include "views/recording_notice.h"
#include "views/transport_bar.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

RecordingPlayback::RecordingPlayback(QWidget* window)
    : QObject(window),
      m_bar(new QToolBar(tr("Playback"), window)),
      m_transport(new TransportBar(m_bar)),
      m_notice(new RecordingNotice(window)),
      m_bookmarks(new RecordingBookmarks(this)) {
    m_bar->setObjectName(u"transport_bar"_s);
    m_bar->setMovable(false);
    m_bar->setContextMenuPolicy(Qt::PreventContextMenu);
    m_transport->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_bar->addWidget(m_transport);
    m_bar->hide();
    m_notice->hide();
    connect(m_transport, &TransportBar::playAsked, this, [this] {
        if (m_player != nullptr) m_player->play();
    });
    connect(m_transport, &TransportBar::pauseAsked, this, [this] {
        if (m_player != nullptr) m_player->pause();
    });
    connect(m_transport, &TransportBar::stepAsked, this, [this](qint64 step) {
        if (m_player != nullptr) m_player->seek(step);
    });
    connect(m_transport, &TransportBar::speedAsked, this, [this](double speed) {
        if (m_player != nullptr) m_player->setSpeed(speed);
    });
    connect(m_transport, &TransportBar::loopAsked, this, [this](qint64 first, qint64 last) {
        if (m_player != nullptr) m_player->setLoop({.first = first, .last = last});
    });
    connect(m_transport, &TransportBar::bookmarkAsked, this, &RecordingPlayback::mark);
    connect(m_bookmarks, &RecordingBookmarks::changed, this, [this] {
        std::vector<std::int64_t> rows;
        for (const SessionBookmark& bookmark : m_bookmarks->list()) rows.push_back(bookmark.row);
        m_transport->setBookmarks(std::move(rows));
    });
    connect(m_transport, &TransportBar::leaveAsked, this, &RecordingPlayback::leaveAsked);
    connect(m_notice, &RecordingNotice::leaveAsked, this, &RecordingPlayback::leaveAsked);
}

RecordingPlayback::~RecordingPlayback() = default;

SnapshotSource RecordingPlayback::open(const QString& file) {
    m_file = file;
    m_player = std::make_shared<SessionPlayer>(file.toStdString());
    m_player->setSpeed(m_transport->speed());
    m_bookmarks->open(file);
    // The source keeps the player for as long as somebody takes its snapshots.
    return {[player = m_player](std::function<void()> wake) { player->setWake(std::move(wake)); },
            [player = m_player] { return player->snapshot(); }};
}

void RecordingPlayback::close() {
    m_player.reset();
    m_file.clear();
    m_bookmarks->open({});
}

void RecordingPlayback::mark(qint64 row) {
    if (m_bookmarks->at(row) != nullptr) {
        Q_EMIT noteAsked(row);
    } else {
        m_bookmarks->set({.row = row});
        Q_EMIT marked(row);
    }
}

void RecordingPlayback::takeSnapshot(const SnapshotPointer& snapshot) {
    m_bar->setVisible(snapshot->playback != nullptr);
    m_notice->setVisible(snapshot->recorded);
    if (!snapshot->recorded) return;
    m_notice->showSnapshot(*snapshot);
    if (snapshot->playback == nullptr) return;
    m_transport->showPlayback(*snapshot->playback);
    m_transport->setRecording(m_notice->facts());
}

}  // namespace mixoscope
