// Pieces of charts with a series a policy, painted as they are to be printed: axes with titles, a legend that is never
// cut, lines that differ by colour, dash and marker.
#pragma once

#include <QPen>
#include <QRectF>
#include <QString>
#include <utility>
#include <vector>

#include "views/axis_ticks.h"

class QPainter;

namespace mixoscope {

/// 0 … 1 from the left of the plot, and what stands there.
struct PlotTick {
    double at = 0.0;
    QString text;
};

struct PlotAxes {
    QString x_title = {};
    QString y_title = {};
    std::vector<PlotTick> x_ticks = {};
    std::vector<double> x_breaks = {};  // where the axis is broken, 0 … 1
    bool x_grid = false;
    ValueScale y = {};
    double y_factor = 1.0;  // of the labels: 100 for per cent
};

/// A legend at the top of the area, of names and tags (laneColour), as many beside each other as fit. Returns what is
/// left of the area. Names that have no room are shortened in their middle.
QRectF paintSeriesLegend(QPainter& painter, const QRectF& area, const std::vector<std::pair<QString, int>>& entries);

/// What axes leave of an area for the plot itself.
QRectF plotWithin(const QRectF& area);
/// Axes, grid, ticks and titles around the plot. Labels that would touch are left out.
void paintAxes(QPainter& painter, const QRectF& plot, const PlotAxes& axes);

/// The line of a series: the dash tells as much as the colour.
QPen seriesPen(int tag, double width = 2.0);
/// Shifts the marks of a series in pixels so that those of all are seen.
double seriesShift(std::size_t index, std::size_t count);
/// A bar from low to high with ends.
void paintErrorBar(QPainter& painter, double x, double low, double high, int tag);
/// `hollow`: not all is measured yet.
void paintSeriesMark(QPainter& painter, QPointF place, int tag, bool hollow);
/// Around a mark.
void paintSelectedMark(QPainter& painter, QPointF place);

}  // namespace mixoscope
