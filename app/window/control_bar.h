// The tool bar's controls, each under its caption: model, device, mode, budget, routing policy, recording.
#pragma once

#include <QToolBar>

class QAction;
class QLabel;
class QToolButton;
class QUndoStack;

namespace mixoscope {

class BudgetControl;
class ModelPicker;
class ModeSwitch;
class PolicyPicker;
struct WorkbenchSnapshot;

class ControlBar : public QToolBar {
    Q_OBJECT

public:
    ControlBar(QUndoStack& undo, QWidget* parent);

    void showSnapshot(const WorkbenchSnapshot& snapshot);
    /// Narrow windows lose the captions, the device and the policy's parameters in words first, then what units and
    /// recording say in words; all of it is in the tooltips. The controls themselves stay.
    void fitWidth(int window_width);
    /// Other workspaces than the chat have model and device only.
    void setChatting(bool chatting);

    ModelPicker& modelPicker() { return *m_model; }
    ModeSwitch& modeSwitch() { return *m_mode; }
    BudgetControl& budget() { return *m_budget; }
    PolicyPicker& policyPicker() { return *m_policy; }
    QToolButton& recordButton() { return *m_record; }

private:
    QAction* addControl(const QString& caption, QWidget* control);
    void showModel(const WorkbenchSnapshot& snapshot);
    void showSettings();
    void showProgress(const WorkbenchSnapshot& snapshot);
    void showRecording(const WorkbenchSnapshot& snapshot);
    /// Controls that did not fit do not tell the bar that they need less room now.
    void measureAgain();

    ModelPicker* m_model;
    QLabel* m_device;
    ModeSwitch* m_mode;
    BudgetControl* m_budget;
    PolicyPicker* m_policy;
    QToolButton* m_record;
    QAction* m_device_action;
    QList<QLabel*> m_captions;
    QList<QAction*> m_settings_actions;  // mode, budget and policy
    bool m_chatting = true;
    bool m_knows_settings = true;  // false: of a recording that does not tell them
    QString m_shown_model;         // whose support the mode switch shows
};

}  // namespace mixoscope
