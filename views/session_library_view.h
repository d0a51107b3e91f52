// The recorded sessions of the session folder: search, rename, tag, copy, import, make smaller, delete and bring back.
// What takes time runs elsewhere; what came of it is said below the list.
#pragma once

#include <QWidget>
#include <functional>
#include <vector>

#include "sessions/session_list.h"

class QAction;
class QKeySequence;
class QLabel;
class QLineEdit;
class QPushButton;

namespace mixoscope {

class NoticeBar;
class SessionListView;
class SessionOperations;

class SessionLibraryView : public QWidget {
    Q_OBJECT

public:
    explicit SessionLibraryView(QWidget* parent = nullptr);

    void showSessions(std::vector<ListedSession> sessions);
    /// Where sessions are imported to and deleted from.
    void setDirectory(const QString& directory) { m_directory = directory; }
    /// What is being recorded right now, by this window.
    void setRecording(const QStringList& files);
    /// Copies sessions from elsewhere into the session folder.
    void importFiles(const QStringList& files);
    SessionListView& sessions() { return *m_sessions; }

Q_SIGNALS:
    /// Files are to be chosen for importFiles().
    void importAsked();
    /// Something was done to the files: they are to be listed again.
    void changed();

protected:
    bool event(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    QWidget* makeSearch();
    void makeDeeds();
    QAction* addDeed(const QString& name, const QString& text, const QString& tip, const QKeySequence& key,
                     const std::function<void()>& act);
    void connectOperations();
    void search(const QString& text);
    void updateDeeds();
    void showCount();
    void remove();
    void emptyTrash();
    void undo();
    bool searchKey(QEvent& event);

    SessionListView* m_sessions;
    SessionOperations* m_operations;
    NoticeBar* m_notice;
    QLineEdit* m_search;
    QLabel* m_count;
    QWidget* m_nothing;  // shown when nothing matches the search
    QLabel* m_nothing_text;
    QAction* m_rename;
    QAction* m_tags;
    QAction* m_duplicate;
    QAction* m_compact;
    QAction* m_remove;
    QString m_directory;
};

}  // namespace mixoscope
