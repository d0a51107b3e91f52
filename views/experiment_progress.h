// How far an experiment has got, with what starts, holds and ends it.
#pragma once

#include <QWidget>

#include "sessions/experiment_snapshot.h"

class QLabel;
class QProgressBar;
class QPushButton;

namespace mixoscope {

class ExperimentProgress : public QWidget {
    Q_OBJECT

public:
    explicit ExperimentProgress(QWidget* parent = nullptr);

    void showExperiment(const ExperimentSnapshot& experiment);
    /// Why it cannot be started; empty: it can. Also for the menu.
    const QString& runDisabledReason() const { return m_run_reason; }

Q_SIGNALS:
    void runAsked();
    void pauseAsked();
    void stopAsked();

private:
    void showRun(const ExperimentSnapshot& experiment);

    bool m_pauses = false;  // what the button does
    QString m_run_reason;
    QLabel* m_state;
    QLabel* m_facts;
    QProgressBar* m_bar;
    QLabel* m_share;
    QPushButton* m_run;
    QPushButton* m_stop;
};

/// "34 s", "19 min 50 s".
QString timeSpan(double seconds);

}  // namespace mixoscope
