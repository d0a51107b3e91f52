#include "app/window/control_bar.h"

#include <QLabel>
#include <QLayout>
#include <QToolButton>

#include "app/window/captioned_control.h"
#include "sessions/workbench.h"
#include "views/budget_control.h"
#include "views/format.h"
#include "views/mode_switch.h"
#include "views/model_picker.h"
#include "views/policy_picker.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kCaptionsFrom = 1400;
constexpr int kWordsFrom = 1200;
constexpr int kWideModel = 230;
constexpr int kNarrowModel = 170;
constexpr int kNarrowestModel = 140;
constexpr int kModelCaption = 0;  // among m_captions, in the order in which they were added
constexpr int kDeviceCaption = 1;

/// "cpu (AVX2, 2 threads)" → "CPU · AVX2, 2 threads", "cuda (NVIDIA H100)" → "CUDA · NVIDIA H100", "reference" → "CPU ·
/// reference"; what has another name keeps it.
QString deviceName(const QString& backend) {
    if (backend.isEmpty()) return format::kAbsent;
    if (backend == u"reference"_s) return QObject::tr("CPU · reference");
    const qsizetype open = backend.indexOf(u" ("_s);
    if (open < 0 || !backend.endsWith(u')')) return backend;
    return QObject::tr("%1 · %2").arg(backend.left(open).toUpper(), backend.mid(open + 2).chopped(1));
}

}  // namespace

ControlBar::ControlBar(QUndoStack& undo, QWidget* parent)
    : QToolBar(tr("Controls"), parent),
      m_model(new ModelPicker(this)),
      m_device(new QLabel(this)),
      m_mode(new ModeSwitch(this)),
      m_budget(new BudgetControl(undo, this)),
      m_policy(new PolicyPicker(undo, this)),
      m_record(new QToolButton(this)) {
    setObjectName(u"control_bar"_s);
    setMovable(false);
    setContextMenuPolicy(Qt::PreventContextMenu);
    m_model->setFixedWidth(230);
    m_device->setObjectName(u"device"_s);
    m_device->setFont(textFont(font_size::kInterface));
    m_device->setToolTip(tr("Where the model runs"));
    m_budget->setMaximumWidth(620);
    m_record->setObjectName(u"record_button"_s);
    m_record->setCheckable(true);
    m_record->setChecked(true);
    m_record->setText(tr("Rec"));
    m_record->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_record->setIcon(themedIcon(u"record"_s));
    m_record->setFocusPolicy(Qt::StrongFocus);

    addControl(tr("Model"), m_model);
    m_device_action = addControl(tr("Device"), m_device);
    addSeparator();
    m_settings_actions = {addControl(tr("Mode"), m_mode), addWidget(m_budget),
                          addControl(tr("Routing policy"), m_policy)};
    auto* space = new QWidget(this);
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    addWidget(space);
    addControl(tr("Session"), m_record);
}

QAction* ControlBar::addControl(const QString& caption, QWidget* control) {
    const auto [group, label] = captionedControl(caption, control, this);
    m_captions << label;
    return addWidget(group);
}

void ControlBar::showSnapshot(const WorkbenchSnapshot& snapshot) {
    showModel(snapshot);
    showProgress(snapshot);
    m_policy->showWaiting(snapshot.policy_waits);
    showRecording(snapshot);
}

void ControlBar::showModel(const WorkbenchSnapshot& snapshot) {
    const ModelFacts* model = snapshot.model.get();
    const QString name = model == nullptr ? QString() : format::plainText(model->name);
    if (snapshot.state != WorkbenchState::kLoading) {
        m_model->showModel(name, model == nullptr ? QString() : format::plainText(model->description));
    }
    m_device->setText(model == nullptr ? format::kAbsent : deviceName(format::plainText(model->backend)));
    m_device->setToolTip(model == nullptr    ? tr("No model is open")
                         : snapshot.recorded ? tr("Where the model ran when this was recorded")
                                             : tr("Where the model runs"));
    m_captions[kModelCaption]->setText(snapshot.recorded ? tr("Recorded with") : tr("Model"));
    m_captions[kDeviceCaption]->setText(snapshot.recorded ? tr("Device then") : tr("Device"));
    m_knows_settings = model == nullptr || model->imported_from.empty();
    showSettings();

    QString reason;
    if (snapshot.state == WorkbenchState::kLoading) {
        reason = tr("The model is being opened");
    } else if (model == nullptr) {
        reason = tr("Open a model first");
    } else if (snapshot.recorded) {
        reason = tr("As recorded; a recording cannot be changed");
    }
    const QString identity = reason.isEmpty() ? name + format::plainText(model->directory) : QString();
    if (!reason.isEmpty()) {
        m_mode->setDisabledReason(reason);
        m_budget->setDisabledReason(reason);
        m_policy->setDisabledReason(reason);
    } else if (m_shown_model != identity) {
        m_policy->setModel(*model);
        m_policy->setDisabledReason({});
        m_mode->setSupport(model->thinking_support, name);
        m_budget->setDisabledReason(
            model->thinking_support == ThinkingSupport::kNever ? tr("%1 has no thinking mode").arg(name) : QString());
    }
    m_shown_model = identity;
}

void ControlBar::showProgress(const WorkbenchSnapshot& snapshot) {
    const LaneSnapshot* lane = snapshot.lanes.empty() ? nullptr : &snapshot.lanes.front();
    const TurnFacts* turn = lane == nullptr || lane->turns.empty() ? nullptr : &lane->turns.back();
    const bool thinking =
        snapshot.state == WorkbenchState::kGenerating && turn != nullptr && turn->block_opened && !turn->block_closed;
    m_budget->showProgress(turn == nullptr ? 0 : turn->thinking_tokens, thinking);
}

void ControlBar::showRecording(const WorkbenchSnapshot& snapshot) {
    const bool recording = !snapshot.recorded && snapshot.recorder.state != RecorderStatus::State::kOff;
    m_record->setEnabled(!snapshot.recorded);
    m_record->setChecked(recording);
    m_record->setToolTip(snapshot.recorded ? tr("This is a recording already")
                         : recording       ? tr("Stop recording; what is in the file stays")
                                           : tr("Record to a session file"));
}

void ControlBar::setChatting(bool chatting) {
    const QList<QAction*> all = actions();
    for (QAction* action : all.mid(all.indexOf(m_device_action) + 1)) action->setVisible(chatting);
    m_chatting = chatting;
    showSettings();
}

void ControlBar::showSettings() {
    for (QAction* action : m_settings_actions) action->setVisible(m_chatting && m_knows_settings);
}

void ControlBar::fitWidth(int window_width) {
    const bool captions = window_width >= kCaptionsFrom;
    for (QLabel* caption : m_captions) caption->setVisible(captions);
    m_budget->setCaptionVisible(captions);
    m_policy->setCompact(!captions);
    m_device_action->setVisible(captions);
    const bool words = window_width >= kWordsFrom;
    m_budget->setUnitVisible(words);
    m_record->setToolButtonStyle(words ? Qt::ToolButtonTextBesideIcon : Qt::ToolButtonIconOnly);
    m_model->setFixedWidth(captions ? kWideModel : words ? kNarrowModel : kNarrowestModel);
    measureAgain();
}

void ControlBar::measureAgain() {
    m_policy->layout()->activate();
    measureControlsAgain(*this);
}

}  // namespace mixoscope
