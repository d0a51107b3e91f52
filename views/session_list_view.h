// Recorded sessions, newest first, with what can be done with a file: export, find it, copy its path.
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
    void exportAsked(const QString& file);

private:
    QString currentFile() const;
    void showFolder();
    void updateButtons();

    int m_most;
    QListWidget* m_list;
    QLabel* m_empty;
    QPushButton* m_export;
    QPushButton* m_folder;
    QPushButton* m_copy;
};

}  // namespace mixoscope
