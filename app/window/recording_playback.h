// The recording that the window shows in place of the live chat: its player, the transport and the notice, and what
// they ask of each other. The live chat goes on behind it.
#pragma once

#include <QObject>
#include <memory>

#include "views/bridge.h"

class QToolBar;

namespace mixoscope {

class RecordingBookmarks;
class RecordingNotice;
class SessionPlayer;
class TransportBar;

class RecordingPlayback : public QObject {
    Q_OBJECT

public:
    /// `window` is the parent of all widgets.
    explicit RecordingPlayback(QWidget* window);
    ~RecordingPlayback() override;

    /// Begins to read; snapshots come as soon as the file is open. Another recording that was open is left.
    SnapshotSource open(const QString& file);
    /// Only once nobody takes its snapshots any more.
    void close();
    bool isOpen() const { return m_player != nullptr; }
    const QString& file() const { return m_file; }

    void takeSnapshot(const SnapshotPointer& snapshot);
    QToolBar& bar() { return *m_bar; }
    TransportBar& transport() { return *m_transport; }
    RecordingNotice& notice() { return *m_notice; }
    RecordingBookmarks& bookmarks() { return *m_bookmarks; }
    /// Marks the row; one that is marked already is asked for by noteAsked().
    void mark(qint64 row);

Q_SIGNALS:
    void leaveAsked();
    /// The row has been marked.
    void marked(qint64 row);
    /// The note of this row's bookmark is to be written.
    void noteAsked(qint64 row);

private:
    std::shared_ptr<SessionPlayer> m_player;
    QString m_file;
    QToolBar* m_bar;
    TransportBar* m_transport;
    RecordingNotice* m_notice;
    RecordingBookmarks* m_bookmarks;
};

}  // namespace mixoscope
