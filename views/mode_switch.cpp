#include "views/mode_switch.h"

#include <QButtonGroup>
#include <QHBoxLayout>
#include <QToolButton>

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr std::array<ThinkingMode, 3> kOrder = {ThinkingMode::kAuto, ThinkingMode::kThink, ThinkingMode::kNoThink};

QString titleOf(ThinkingMode mode) {
    switch (mode) {
        case ThinkingMode::kAuto:
            return QObject::tr("Auto");
        case ThinkingMode::kThink:
            return QObject::tr("Think");
        case ThinkingMode::kNoThink:
            return QObject::tr("No think");
    }
    return {};
}

QString tipOf(ThinkingMode mode) {
    switch (mode) {
        case ThinkingMode::kAuto:
            return QObject::tr("Let the last /think or /no_think in your text decide, from the next turn (Ctrl+M)");
        case ThinkingMode::kThink:
            return QObject::tr("Let the model think before it answers, from the next turn (Ctrl+M)");
        case ThinkingMode::kNoThink:
            return QObject::tr("Have the model answer at once, from the next turn (Ctrl+M)");
    }
    return {};
}

}  // namespace

ModeSwitch::ModeSwitch(QWidget* parent) : QWidget(parent) {
    setObjectName(u"mode_switch"_s);
    setAccessibleName(tr("Thinking mode"));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    auto* group = new QButtonGroup(this);
    for (std::size_t i = 0; i < kOrder.size(); ++i) {
        auto* button = new QToolButton(this);
        button->setObjectName(u"mode_%1"_s.arg(i));
        button->setProperty("role", u"segment"_s);
        button->setText(titleOf(kOrder[i]));
        button->setToolTip(tipOf(kOrder[i]));
        button->setCheckable(true);
        button->setFocusPolicy(Qt::StrongFocus);
        group->addButton(button);
        row->addWidget(button);
        connect(button, &QToolButton::clicked, this, [this, mode = kOrder[i]] { choose(mode); });
        m_buttons[i] = button;
    }
    showMode(m_mode);
}

QToolButton& ModeSwitch::button(ThinkingMode mode) {
    for (std::size_t i = 0; i < kOrder.size(); ++i) {
        if (kOrder[i] == mode) return *m_buttons[i];
    }
    return *m_buttons[0];
}

void ModeSwitch::showMode(ThinkingMode mode) {
    m_mode = mode;
    button(mode).setChecked(true);
}

void ModeSwitch::choose(ThinkingMode mode) {
    if (mode == m_mode) return;
    showMode(mode);
    Q_EMIT modeChosen(mode);
}

void ModeSwitch::setSupport(ThinkingSupport support, const QString& model_name) {
    for (std::size_t i = 0; i < kOrder.size(); ++i) {
        QString reason;
        if (support == ThinkingSupport::kNever && kOrder[i] != ThinkingMode::kNoThink) {
            reason = tr("%1 has no thinking mode").arg(model_name);
        } else if (support == ThinkingSupport::kAlways && kOrder[i] != ThinkingMode::kThink) {
            reason = tr("%1 always thinks").arg(model_name);
        }
        m_buttons[i]->setEnabled(reason.isEmpty());
        m_buttons[i]->setToolTip(reason.isEmpty() ? tipOf(kOrder[i]) : reason);
    }
    if (support == ThinkingSupport::kNever) choose(ThinkingMode::kNoThink);
    if (support == ThinkingSupport::kAlways) choose(ThinkingMode::kThink);
}

void ModeSwitch::setDisabledReason(const QString& reason) {
    for (QToolButton* button : m_buttons) {
        button->setEnabled(false);
        button->setToolTip(reason);
    }
}

void ModeSwitch::cycle() {
    std::size_t current = 0;
    while (kOrder[current] != m_mode) ++current;
    for (std::size_t step = 1; step <= kOrder.size(); ++step) {
        const std::size_t next = (current + step) % kOrder.size();
        if (m_buttons[next]->isEnabled()) return choose(kOrder[next]);
    }
}

}  // namespace mixoscope
