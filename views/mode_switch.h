// Auto, Think, No think: how the next turn begins. What the checkpoint cannot do is disabled and says why.
#pragma once

#include <QWidget>
#include <array>

#include "engine/chat_template.h"
#include "engine/lane_settings.h"

class QToolButton;

namespace mixoscope {

class ModeSwitch : public QWidget {
    Q_OBJECT

public:
    explicit ModeSwitch(QWidget* parent = nullptr);

    ThinkingMode mode() const { return m_mode; }
    /// Shows a mode without announcing it.
    void showMode(ThinkingMode mode);
    /// `model_name` is named in the reason for what is disabled.
    void setSupport(ThinkingSupport support, const QString& model_name);
    /// Nothing can be chosen, for this reason.
    void setDisabledReason(const QString& reason);
    QToolButton& button(ThinkingMode mode);

public Q_SLOTS:
    /// Ctrl+M: the next mode that can be chosen.
    void cycle();

Q_SIGNALS:
    void modeChosen(mixoscope::ThinkingMode mode);

private:
    void choose(ThinkingMode mode);

    ThinkingMode m_mode = ThinkingMode::kThink;
    std::array<QToolButton*, 3> m_buttons{};  // in the order shown
};

}  // namespace mixoscope
