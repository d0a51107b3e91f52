// A label in one line that shortens at its end what does not fit.
#pragma once

#include <QLabel>

namespace mixoscope {

/// Takes the room that is left over; whoever sets a text that may be cut puts all of it into the tooltip.
class ElidedLabel : public QLabel {
public:
    explicit ElidedLabel(QWidget* parent);

protected:
    void paintEvent(QPaintEvent* event) override;
};

}  // namespace mixoscope
