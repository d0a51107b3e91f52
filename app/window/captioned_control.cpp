#include "app/window/captioned_control.h"

#include <QAction>
#include <QCoreApplication>
#include <QEvent>
#include <QLabel>
#include <QToolBar>
#include <QVBoxLayout>

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr int kControlHeight = 28;
constexpr int kBelowControls = 8;  // beside the ticks below the budget's slider

CaptionedControl captionedControl(const QString& caption, QWidget* control, QWidget* parent) {
    auto* group = new QWidget(parent);
    auto* column = new QVBoxLayout(group);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(3);
    auto* label = new QLabel(caption, group);
    label->setProperty("role", u"caption"_s);
    label->setFixedHeight(16);
    control->setFixedHeight(kControlHeight);
    column->addStretch(1);
    column->addWidget(label);
    column->addWidget(control);
    column->addSpacing(kBelowControls);
    column->addStretch(1);
    return {group, label};
}

void measureControlsAgain(QToolBar& bar) {
    for (QAction* action : bar.actions()) {
        const QWidget* control = bar.widgetForAction(action);
        if (control != nullptr && control->layout() != nullptr) control->layout()->activate();
    }
    bar.layout()->invalidate();
    QCoreApplication::postEvent(&bar, new QEvent(QEvent::LayoutRequest));
}

}  // namespace mixoscope
