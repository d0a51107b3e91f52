#include "views/breaking_label.h"

#include <QPainter>
#include <QTextLayout>
#include <algorithm>
#include <cmath>

namespace mixoscope {
namespace {

constexpr int kPreferredWidth = 320;
constexpr int kNarrowest = 60;

/// Lays the text out in at most `most` lines of this width from `at` on, draws them where there is a painter, and
/// returns the height. What does not fit is left out for an ellipsis.
double layOut(const QString& text, const QFont& font, double width, int most, QPainter* painter, QPointF at) {
    QTextOption option;
    option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    double height = 0.0;
    int lines = 0;
    qsizetype first = 0;  // of the paragraph
    for (const QString& paragraph : text.split(u'\n')) {
        QTextLayout layout(paragraph, font);
        layout.setTextOption(option);
        layout.beginLayout();
        for (QTextLine line = layout.createLine(); line.isValid(); line = layout.createLine()) {
            line.setLineWidth(width);
            const qsizetype end = first + line.textStart() + line.textLength();
            const bool cut = ++lines == most && end < text.size();
            if (painter != nullptr && cut) {
                const QString rest = text.mid(first + line.textStart()).replace(u'\n', u' ');
                painter->drawText(at + QPointF(0.0, height + line.ascent()),
                                  QFontMetricsF(font).elidedText(rest, Qt::ElideRight, width));
            } else if (painter != nullptr) {
                line.draw(painter, at + QPointF(0.0, height));
            }
            height += std::ceil(line.height());
            if (cut) break;
        }
        layout.endLayout();
        if (lines == most) break;
        first += paragraph.size() + 1;
    }
    return height;
}

}  // namespace

BreakingLabel::BreakingLabel(int most_lines, QWidget* parent) : QLabel(parent), m_most_lines(most_lines) {
    setTextFormat(Qt::PlainText);
    setWordWrap(true);
}

int BreakingLabel::heightForWidth(int width) const {
    if (m_measured.width != width || m_measured.text != text() || m_measured.font != font()) {
        const QMargins margins = contentsMargins();
        const int room = std::max(1, width - margins.left() - margins.right());
        const auto height = static_cast<int>(layOut(text(), font(), room, m_most_lines, nullptr, {}));
        m_measured = {text(), font(), width, height + margins.top() + margins.bottom()};
    }
    return m_measured.height;
}

QSize BreakingLabel::sizeHint() const {
    const QMargins margins = contentsMargins();
    const int whole = fontMetrics().size(0, text()).width() + margins.left() + margins.right() + 1;
    const int width = std::min(whole, kPreferredWidth);
    return {width, heightForWidth(width)};
}

QSize BreakingLabel::minimumSizeHint() const {
    const QMargins margins = contentsMargins();
    return {std::min(sizeHint().width(), kNarrowest), fontMetrics().height() + margins.top() + margins.bottom()};
}

void BreakingLabel::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    drawFrame(&painter);
    painter.setPen(palette().color(isEnabled() ? QPalette::Active : QPalette::Disabled, foregroundRole()));
    const QRect room = contentsRect();
    painter.setFont(font());
    layOut(text(), font(), std::max(1, room.width()), m_most_lines, &painter, room.topLeft());
}

}  // namespace mixoscope
