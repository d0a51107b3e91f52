// The status line of the experiments: with what they run, where they are kept, and what was just done.
#pragma once

#include <QTimer>
#include <QWidget>

#include "sessions/experiment_snapshot.h"

class QLabel;

namespace mixoscope {

class ExperimentStatus : public QWidget {
    Q_OBJECT

public:
    explicit ExperimentStatus(QWidget* parent = nullptr);

    void showExperiment(const ExperimentSnapshot& experiment);
    /// For some seconds, in place of the state.
    void showMessage(const QString& message, bool warning);

private:
    void showState();

    QString m_state_text;
    QString m_state_tip;
    QTimer m_message;
    QLabel* m_state;
    QLabel* m_model;
    QLabel* m_batch;
    QLabel* m_store;
};

}  // namespace mixoscope
