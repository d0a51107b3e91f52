// Recorded sessions, newest first, with what can be done with a file: open, export tables or a picture, find it.
#pragma once

#include <QWidget>
#include <vector>

#include "sessions/workbench.h"

class QLabel;
class QListWidget;
class QPushButton;

namespace mixoscope {

class SessionListView : public QWidget {
    Q_OBJECT

public:
    /// `most` < 0: all of them.
    explicit SessionListView(int most = -1, QWidget* parent = nullptr);

    void showSessions(const std::vector<SessionInfo>& sessions);
    int count() const;

Q_SIGNALS:
    /// By the button, a double click or Enter.
    void openAsked(const QString& file);
    void exportAsked(const QString& file);
    void imageAsked(const QString& file);

private:
    QString currentFile() const;
    void showFolder();
    void copyPath();
    void showMenu(QPoint position);
    void updateButtons();

    int m_most;
    QListWidget* m_list;
    QLabel* m_empty;
    QPushButton* m_open;
    QPushButton* m_export;
    QPushButton* m_image;
    QPushButton* m_folder;
};

}  // namespace mixoscope
