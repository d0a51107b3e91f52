// What is done with session files from the window: one after the other, on a thread of its own, so that no list waits
// for a disk. Everything is called on the GUI's thread, and its signals come there.
#pragma once

#include <QObject>
#include <QStringList>
#include <QThreadPool>
#include <functional>
#include <vector>

#include "sessions/session_library.h"

namespace mixoscope {

class SessionOperations : public QObject {
    Q_OBJECT

public:
    explicit SessionOperations(QObject* parent = nullptr);
    /// Waits for what was begun.
    ~SessionOperations() override;

    // `title`: what messages call the session.
    void rename(const QString& file, const QString& title);
    void setTags(const QString& file, const QStringList& tags);
    void duplicate(const QString& file, const QString& title);
    void importFile(const QString& file, const QString& directory);
    void compact(const QString& file, const QString& title);
    void trash(const QString& file, const QString& title);
    /// Brings back what was deleted last; nothing if there is none.
    void undo();
    /// Deletes for good what was deleted in this directory, by whatever window.
    void emptyTrash(const QString& directory);

    /// What undo() would bring back; empty: nothing.
    QString undoTitle() const;
    /// Something is under way.
    bool busy() const { return m_running > 0; }

Q_SIGNALS:
    /// What is being done with a file; empty: it is over.
    void stateChanged(const QString& file, const QString& state);
    /// It worked. `file`: the session that there is now, empty if there is none.
    void done(const QString& message, const QString& file);
    void failed(const QString& message);
    /// The files are not what they were, or may not be.
    void changed();

private:
    struct Outcome {
        QString message;
        QString file;
        std::function<void()> then;  // on the GUI's thread, before the signals
    };
    /// `otherwise`: on the GUI's thread when `work` has thrown.
    void start(const QString& file, const QString& state, std::function<Outcome()> work,
               std::function<void()> otherwise = {});
    void end(const QString& file, const Outcome& outcome, const QString& failure);

    struct Deleted {
        TrashedSession session;
        QString title;
    };
    std::vector<Deleted> m_deleted;  // by this window; the last one at the end
    int m_running = 0;
    QThreadPool m_pool;
};

}  // namespace mixoscope
