// A label that breaks a word too long for its line, such as a policy's text: it is never wider than it is given room.
#pragma once

#include <QLabel>

namespace mixoscope {

/// Plain text. Its height follows from its width, as of a QLabel that wraps words; beyond `most_lines` it is cut.
class BreakingLabel : public QLabel {
public:
    BreakingLabel(int most_lines, QWidget* parent);

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    /// Of a laid out text, asked for many times over while a layout is computed.
    struct Measured {
        QString text;
        QFont font;
        int width = -1;
        int height = 0;
    };
    int m_most_lines;
    mutable Measured m_measured;
};

}  // namespace mixoscope
