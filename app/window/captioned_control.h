// A tool bar's control under its caption.
#pragma once

#include <QString>

class QLabel;
class QToolBar;
class QWidget;

namespace mixoscope {

struct CaptionedControl {
    QWidget* group = nullptr;
    QLabel* caption = nullptr;  // narrow windows hide it
};
CaptionedControl captionedControl(const QString& caption, QWidget* control, QWidget* parent);

/// Has a bar of such controls lay itself out by the sizes that they have now; it keeps those that it once asked for.
void measureControlsAgain(QToolBar& bar);

}  // namespace mixoscope
