// Sampling, system prompt and where sessions are written. Changes take effect when they are made; there is nothing to
// apply.
#pragma once

#include <QDialog>

#include "engine/lane_settings.h"

class QCheckBox;
class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QSpinBox;

namespace mixoscope {

struct ChatPreferences {
    SamplingSettings sampling;
    std::int32_t max_tokens = 0;
    QString system_prompt;
    QString session_directory;  // empty: the default
    QString default_session_directory;
    double decode_pace = 0.0;  // tokens a second, 0: no limit
};

class SettingsDialog : public QDialog {
    Q_OBJECT

public:
    explicit SettingsDialog(QWidget* parent = nullptr);
    void showPreferences(const ChatPreferences& preferences);

Q_SIGNALS:
    void samplingChanged(const mixoscope::SamplingSettings& sampling, std::int32_t max_tokens);
    void systemPromptChanged(const QString& text);
    void sessionDirectoryChanged(const QString& directory);
    void decodePaceChanged(double tokens_per_s);

private:
    QWidget* makeSampling();
    QWidget* makePrompt();
    QWidget* makeRecording();
    void announceSampling();

    QCheckBox* m_greedy;
    QDoubleSpinBox* m_temperature;
    QDoubleSpinBox* m_top_p;
    QSpinBox* m_top_k;
    QDoubleSpinBox* m_min_p;
    QDoubleSpinBox* m_presence;
    QDoubleSpinBox* m_repetition;
    QLineEdit* m_seed;
    QSpinBox* m_max_tokens;
    QDoubleSpinBox* m_pace;
    QPlainTextEdit* m_system;
    QLineEdit* m_directory;
    bool m_showing = false;
};

}  // namespace mixoscope
