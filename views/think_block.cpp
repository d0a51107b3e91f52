#include "views/think_block.h"

#include <QFontMetricsF>
#include <QObject>
#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qreal kBandHeight = 32.0;
constexpr qreal kBarHeight = 4.0;
constexpr qreal kInset = 10.0;

}  // namespace

qreal deviceScale(const QPainter& painter) {
    return std::max(painter.device()->devicePixelRatioF(), painter.deviceTransform().m11());
}

QString ThinkBlock::title() const {
    if (open) return QObject::tr("Thinking…");
    return closed ? QObject::tr("Thought") : QObject::tr("Thought, never closed");
}

QString ThinkBlock::counter() const {
    return format::counter(thinking_tokens, budget);
}

double ThinkBlock::usedShare() const {
    if (budget == kUnlimitedBudget || budget <= 0) return 0.0;
    return std::clamp(static_cast<double>(thinking_tokens) / budget, 0.0, 1.0);
}

QString ThinkBlock::spoken() const {
    return QObject::tr("%1 %2 tokens, %3")
        .arg(title(), counter(), collapsed ? QObject::tr("collapsed") : QObject::tr("expanded"));
}

void paintThinkBlock(QPainter& painter, const ThinkBlock& block, const QRectF& frame, bool hovered, bool focused) {
    const QColor& colour = phaseColour(Phase::kThinking);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF outline = frame.adjusted(0.5, 0.5, -0.5, -0.5);
    QPainterPath shape;
    shape.addRoundedRect(outline, 4, 4);
    painter.setPen(Qt::NoPen);
    painter.setBrush(colours().base);
    painter.drawPath(shape);
    painter.setClipPath(shape);
    painter.fillRect(QRectF(frame.left(), frame.top(), frame.width(), kThinkHeadHeight), phaseBand(Phase::kThinking));
    painter.setClipping(false);
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(focused ? colours().accent : colour, hovered || focused ? 1.6 : 1.0));
    painter.drawPath(shape);

    const qreal middle = frame.top() + kBandHeight / 2.0;
    const auto icon =
        themedPixmap(block.collapsed ? u"chevron-right"_s : u"chevron-down"_s, colour, 14, deviceScale(painter));
    painter.drawPixmap(QPointF(frame.left() + kInset, middle - 7), icon);

    const QFont title_font = textFont(font_size::kInterface, QFont::DemiBold);
    painter.setFont(title_font);
    painter.setPen(colour);
    const QRectF band(frame.left() + kInset + 20, frame.top(), frame.width() - 2 * kInset - 20, kBandHeight);
    painter.drawText(band, Qt::AlignVCenter | Qt::AlignLeft, block.title());

    // The counter is right-aligned in front of the unit, whose width changes only with the time's number of digits.
    const QFont small = textFont(font_size::kTable);
    constexpr qreal kBeforeUnit = 6.0;
    QString unit = QObject::tr("tokens");
    if (block.thinking_ms > 0.0) unit += u" · "_s + format::milliseconds(block.thinking_ms);
    const qreal unit_width = QFontMetricsF(small).horizontalAdvance(unit) + kBeforeUnit;
    const QFont mono = monoFont(font_size::kInterface, QFont::Bold);
    const qreal counter_width = QFontMetricsF(mono).horizontalAdvance(block.counter());
    const qreal title_width = QFontMetricsF(title_font).horizontalAdvance(block.title());
    const bool room = title_width + counter_width + unit_width + 16 < band.width();
    painter.setFont(small);
    painter.setPen(colours().muted_text);
    if (room) painter.drawText(band, Qt::AlignVCenter | Qt::AlignRight, unit);
    painter.setFont(mono);
    painter.setPen(colours().text);
    painter.drawText(band.adjusted(0, 0, room ? -unit_width : 0, 0), Qt::AlignVCenter | Qt::AlignRight,
                     block.counter());

    const QRectF bar(frame.left() + kInset, frame.top() + kBandHeight - 1, frame.width() - 2 * kInset, kBarHeight);
    painter.setPen(Qt::NoPen);
    QColor rest = colour;
    rest.setAlphaF(0.22F);
    painter.setBrush(rest);
    painter.drawRoundedRect(bar, 2, 2);
    painter.setBrush(colour);
    const qreal used = bar.width() * block.usedShare();
    if (used > 0.0) painter.drawRoundedRect(QRectF(bar.left(), bar.top(), std::max(4.0, used), bar.height()), 2, 2);
    painter.restore();
}

void paintInjectedBackground(QPainter& painter, const QRectF& rectangle) {
    painter.save();
    painter.fillRect(rectangle, phaseBand(Phase::kThinking));
    painter.setClipRect(rectangle);
    painter.setRenderHint(QPainter::Antialiasing);
    QColor line = phaseColour(Phase::kThinking);
    line.setAlphaF(0.38F);
    painter.setPen(QPen(line, 1.2));
    // Lines lie on a grid of the page, so that they meet from one rectangle to the next.
    constexpr qreal kGap = 7.0;
    const qreal first = std::floor((rectangle.left() + rectangle.top()) / kGap) * kGap;
    QList<QLineF> lines;
    for (qreal sum = first; sum <= rectangle.right() + rectangle.bottom(); sum += kGap) {
        lines << QLineF(sum - rectangle.top(), rectangle.top(), sum - rectangle.bottom(), rectangle.bottom());
    }
    painter.drawLines(lines);
    painter.restore();
}

qreal paintTag(QPainter& painter, const QString& text, qreal right, qreal middle, const QColor& colour,
               const QColor& background) {
    const QFont font = textFont(font_size::kCaption, QFont::Medium);
    const qreal width = QFontMetricsF(font).horizontalAdvance(text) + 12;
    const QRectF box(right - width, middle - 8, width, 16);
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(colour, 1));
    painter.setBrush(background);
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
    painter.setFont(font);
    painter.drawText(box, Qt::AlignCenter, text);
    painter.restore();
    return width;
}

}  // namespace mixoscope
