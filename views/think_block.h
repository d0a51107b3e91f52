// The head of a think block: what it says and how it is painted. The body below it is text like any other.
#pragma once

#include <QRectF>
#include <QString>

#include "engine/lane_settings.h"

class QColor;
class QPainter;

namespace mixoscope {

struct ThinkBlock {
    std::int32_t thinking_tokens = 0;  // N
    std::int32_t budget = kUnlimitedBudget;
    double thinking_ms = 0.0;
    bool open = false;  // the model is inside it now
    bool closed = false;
    bool collapsed = false;

    /// "Thinking…", "Thought", "Thought, never closed".
    QString title() const;
    /// "186 / 1,024".
    QString counter() const;
    /// Share of the budget that is used, 0 … 1; without a limit the bar has no end and this is 0.
    double usedShare() const;
    /// What a screen reader says.
    QString spoken() const;
};

constexpr qreal kThinkHeadHeight = 40.0;

/// Device pixels a logical pixel, also where a widget is rendered into an image of another scale.
qreal deviceScale(const QPainter& painter);
/// Paints frame and head; `frame` is the whole block.
void paintThinkBlock(QPainter& painter, const ThinkBlock& block, const QRectF& frame, bool hovered, bool focused);
/// 45° hatch behind injected text; the gaps let the text be read.
void paintInjectedBackground(QPainter& painter, const QRectF& rectangle);
/// A small tag with text; returns its width. `right` is its right edge.
qreal paintTag(QPainter& painter, const QString& text, qreal right, qreal middle, const QColor& colour,
               const QColor& background);

}  // namespace mixoscope
