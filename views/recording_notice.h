// Stands where messages are written while a recording is shown: that it is one, of which model, and the way back.
#pragma once

#include <QFrame>
#include <QString>

class QAction;
class QLabel;
class QPushButton;

namespace mixoscope {

struct WorkbenchSnapshot;

class RecordingNotice : public QFrame {
    Q_OBJECT

public:
    explicit RecordingNotice(QWidget* parent = nullptr);
    void showSnapshot(const WorkbenchSnapshot& snapshot);
    /// Offers what goes on from the recording: a button that is as the action is.
    void offerContinuing(QAction& action);
    /// The same in plain text, for a tooltip elsewhere.
    QString facts() const;

Q_SIGNALS:
    void leaveAsked();

private:
    QLabel* m_title;
    QLabel* m_model;
    QPushButton* m_continue;
    QPushButton* m_leave;
};

/// Why a live conversation cannot go on from where the recording is; empty: it can.
QString whyNotContinued(const WorkbenchSnapshot& snapshot);

}  // namespace mixoscope
