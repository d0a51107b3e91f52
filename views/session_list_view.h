// Recorded sessions, newest first, with what can be done with a file that stays as it is: open, export tables or a
// picture, find it.
#pragma once

#include <QWidget>
#include <vector>

#include "sessions/session_list.h"

class QAction;
class QLabel;
class QListView;
class QMenu;
class QPushButton;
class QToolButton;

namespace mixoscope {

class SessionDelegate;
class SessionFilter;
class SessionListModel;

class SessionListView : public QWidget {
    Q_OBJECT

public:
    /// `most` < 0: all of them.
    explicit SessionListView(int most = -1, QWidget* parent = nullptr);

    void showSessions(std::vector<ListedSession> sessions);
    /// All that are listed, whether or not a search leaves them.
    int count() const;
    /// What matches the search.
    int shownCount() const;
    void setSearch(const QString& text);

    /// Empty: none is selected.
    QString currentFile() const;
    /// Null: none is selected.
    const ListedSession* currentSession() const;
    QString currentTitle() const;
    /// Selects a session as soon as it is listed, and scrolls to it.
    void select(const QString& file);
    /// Begins to edit the selected session in place.
    void editTitle();
    void editTags();

    QListView& list() { return *m_list; }
    SessionListModel& model() { return *m_model; }
    SessionDelegate& delegate() { return *m_delegate; }
    /// Of the selected session, or of the button with all deeds; whoever adds an action keeps it enabled as it should
    /// be, by selectionChanged().
    QMenu& menu() { return *m_menu; }

Q_SIGNALS:
    /// By the button, a double click or Enter.
    void openAsked(const QString& file);
    void exportAsked(const QString& file);
    void imageAsked(const QString& file);
    /// Another session is selected, or what is known of it has changed.
    void selectionChanged();
    void failed(const QString& message);

private:
    /// A button, and the same in the menu.
    QAction* addDeed(const QString& name, const QString& text, const QString& tip, QPushButton* button,
                     void (SessionListView::*ask)(const QString& file));
    void showFolder();
    void updateParts();
    void followSelection();

    int m_most;
    SessionListModel* m_model;
    SessionFilter* m_filter;
    SessionDelegate* m_delegate;
    QListView* m_list;
    QLabel* m_empty;
    QMenu* m_menu;
    QPushButton* m_open;
    QPushButton* m_export;
    QPushButton* m_image;
    QToolButton* m_more;
    QAction* m_open_deed;
    QAction* m_export_deed;
    QAction* m_image_deed;
    QAction* m_folder_deed;
    QAction* m_copy_deed;
    qsizetype m_own_deeds = 0;  // in the menu; what others add may need no session
    QString m_awaited;          // to be selected once it is listed
};

}  // namespace mixoscope
