// Stands where messages are written while a recording is shown: that it is one, of which model, and the way back.
#pragma once

#include <QFrame>

class QLabel;
class QPushButton;

namespace mixoscope {

struct WorkbenchSnapshot;

class RecordingNotice : public QFrame {
    Q_OBJECT

public:
    explicit RecordingNotice(QWidget* parent = nullptr);
    void showSnapshot(const WorkbenchSnapshot& snapshot);
    /// The same in plain text, for a tooltip elsewhere.
    QString facts() const;

Q_SIGNALS:
    void leaveAsked();

private:
    QLabel* m_title;
    QLabel* m_model;
    QPushButton* m_leave;
};

}  // namespace mixoscope
