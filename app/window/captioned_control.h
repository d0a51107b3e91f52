// A tool bar's control under its caption.
#pragma once

#include <QString>

class QLabel;
class QWidget;

namespace mixoscope {

struct CaptionedControl {
    QWidget* group = nullptr;
    QLabel* caption = nullptr;  // narrow windows hide it
};
CaptionedControl captionedControl(const QString& caption, QWidget* control, QWidget* parent);

}  // namespace mixoscope
