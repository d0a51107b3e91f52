// The tool bar's controls, each under its caption: model, device, mode, budget, recording.
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
struct WorkbenchSnapshot;

class ControlBar : public QToolBar {
    Q_OBJECT

public:
    ControlBar(QUndoStack& undo, QWidget* parent);

    void showSnapshot(const WorkbenchSnapshot& snapshot);
    /// Narrow windows lose the captions first (they are in the tooltips), then the device.
    void fitWidth(int window_width);

    ModelPicker& modelPicker() { return *m_model; }
    ModeSwitch& modeSwitch() { return *m_mode; }
    BudgetControl& budget() { return *m_budget; }
    QToolButton& recordButton() { return *m_record; }

private:
    QAction* addControl(const QString& caption, QWidget* control);
    void showModel(const WorkbenchSnapshot& snapshot);
    void showProgress(const WorkbenchSnapshot& snapshot);
    void showRecording(const WorkbenchSnapshot& snapshot);

    ModelPicker* m_model;
    QLabel* m_device;
    ModeSwitch* m_mode;
    BudgetControl* m_budget;
    QToolButton* m_record;
    QAction* m_device_action;
    QList<QLabel*> m_captions;
    QString m_shown_model;  // whose support the mode switch shows
};

}  // namespace mixoscope
