// The bookmarks of the recording that is shown: go there, write a note, delete one and bring it back.
#pragma once

#include <QWidget>

#include "views/bridge.h"

class QPushButton;
class QStackedWidget;
class QTableView;

namespace mixoscope {

class BookmarksModel;
class EmptyPage;
class NoticeBar;
class RecordingBookmarks;

class BookmarksView : public QWidget {
    Q_OBJECT

public:
    /// `bookmarks` outlive it.
    explicit BookmarksView(RecordingBookmarks& bookmarks, QWidget* parent = nullptr);

    void setSnapshot(const SnapshotPointer& snapshot);
    /// Begins to edit the note of this row's bookmark.
    void editNote(std::int64_t row);

Q_SIGNALS:
    /// To the place with so many tokens.
    void rowAsked(qint64 row);
    /// A bookmark at the cursor.
    void bookmarkAsked();

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void showBookmarks();
    void updateButtons();
    /// 0: none is selected.
    std::int64_t currentRow() const;
    void go();
    void removeCurrent();
    void undo();

    RecordingBookmarks& m_bookmarks;
    BookmarksModel* m_model;
    QStackedWidget* m_pages;
    EmptyPage* m_empty;
    QTableView* m_table;
    NoticeBar* m_notice;
    QPushButton* m_add;
    QPushButton* m_go;
    QPushButton* m_note;
    QPushButton* m_remove;
    std::pair<std::int64_t, std::string> m_removed;  // row and note of what was deleted last; row 0: nothing
    bool m_playing = false;                          // a recording is shown
};

}  // namespace mixoscope
