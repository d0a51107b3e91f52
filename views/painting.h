// Pieces that several painted views share: axes over tokens, phase bands, the selection's outline, empty states.
#pragma once

#include <QRectF>
#include <QString>

#include "views/phase_runs.h"
#include "views/token_axis.h"

class QPainter;

namespace mixoscope {

/// What will be here and the one next step, while there is nothing to show.
struct EmptyState {
    QString icon;
    QString title;
    QString text;
};
void paintEmptyState(QPainter& painter, const QRectF& area, const EmptyState& state);

/// A white line under a black one: seen on any cell in both themes.
void paintSelectionOutline(QPainter& painter, const QRectF& rect);
/// Shows where the keyboard focus is.
void paintFocusFrame(QPainter& painter, const QRectF& area);
/// Reads upwards.
void paintVerticalTitle(QPainter& painter, const QRectF& area, const QString& title);
/// Bands with the phase's name and length; injected tokens are hatched and tagged.
void paintPhaseBands(QPainter& painter, const QRectF& area, const TokenAxis& axis, const std::vector<PhaseRun>& runs);
/// For QToolTip: plain text with line breaks, whatever tags it may contain (tokens such as <think>).
QString toolTipText(const QString& plain);
/// Ticks and positions below `plot`.
void paintTokenTicks(QPainter& painter, const QRectF& plot, const TokenAxis& axis, double spacing);

}  // namespace mixoscope
