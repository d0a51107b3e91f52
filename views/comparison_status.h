// The status line of the compare workspace: what runs, its speed, what the lanes share, checks, recording.
#pragma once

#include <QTimer>
#include <QWidget>

#include "sessions/workbench.h"

class QLabel;

namespace mixoscope {

class ComparisonStatus : public QWidget {
    Q_OBJECT

public:
    explicit ComparisonStatus(QWidget* parent = nullptr);
    void showSnapshot(const WorkbenchSnapshot& snapshot);
    /// A short message in place of the state, for some seconds.
    void showMessage(const QString& message, bool warning);

private:
    QLabel* addPart(const QString& name);
    static void setPart(QLabel& part, const QString& text, const QString& tip);

    QTimer m_message;
    QString m_state_text;
    QLabel* m_state;
    QLabel* m_step;
    QLabel* m_rate;
    QLabel* m_shared;
    QLabel* m_checks;
    QLabel* m_recorder;
};

}  // namespace mixoscope
