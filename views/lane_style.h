// What a compared lane is known by in every view: its letter, its colour and its marker.
#pragma once

#include <QColor>
#include <QPointF>
#include <QString>
#include <cstdint>

class QPainter;

namespace mixoscope {

/// `tag` is LaneOrigin::tag, 0 … kMostComparedLanes − 1: a lane keeps it for as long as it is there.
QString laneLetter(std::int32_t tag);
QColor laneColour(std::int32_t tag);
/// Filled, in the lane's colour, within a square of `size` pixels.
void paintLaneMarker(QPainter& painter, QPointF centre, double size, std::int32_t tag);

}  // namespace mixoscope
