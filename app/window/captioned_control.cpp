#include "app/window/captioned_control.h"

#include <QLabel>
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

}  // namespace mixoscope
