// The bookmarks of the recording that is shown: read from its file and written to it on a thread of their own.
#pragma once

#include <QObject>
#include <QString>
#include <QThreadPool>
#include <functional>
#include <vector>

#include "sessions/session_bookmarks.h"

namespace mixoscope {

class RecordingBookmarks : public QObject {
    Q_OBJECT

public:
    explicit RecordingBookmarks(QObject* parent = nullptr);
    /// Waits for what was begun.
    ~RecordingBookmarks() override;

    /// Of another file from now on; empty: of none.
    void open(const QString& file);
    bool isOpen() const { return !m_file.isEmpty(); }
    /// In order of their rows; what was asked for is in it at once, and taken out again if it cannot be written.
    const std::vector<SessionBookmark>& list() const { return m_list; }
    /// Null: the row has none.
    const SessionBookmark* at(std::int64_t row) const;

    void set(const SessionBookmark& bookmark);
    void remove(std::int64_t row);

Q_SIGNALS:
    void changed();
    /// Says what is wrong and with which file; the list is what the file holds.
    void failed(const QString& message);

private:
    void run(std::function<std::vector<SessionBookmark>()> work);
    void show(std::vector<SessionBookmark> list);

    QString m_file;
    std::vector<SessionBookmark> m_list;
    int m_running = 0;  // of this file
    int m_opened = 0;   // files so far: what comes for an earlier one is of no use any more
    QThreadPool m_pool;
};

}  // namespace mixoscope
