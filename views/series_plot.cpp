#include "views/series_plot.h"

#include <QFontMetricsF>
#include <QPainter>
#include <algorithm>
#include <array>
#include <cmath>

#include "views/format.h"
#include "views/lane_style.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kMarker = 9.0;
constexpr double kSample = 30.0;   // line and marker in the legend
constexpr double kBetween = 18.0;  // entries
constexpr double kLegendRow = 17.0;
constexpr double kMostLegend = 0.34;  // of the area's height
constexpr double kNarrowestName = 70.0;
constexpr double kLeft = 64.0;  // the title, and labels as long as "10,000"
constexpr double kRight = 18.0;
constexpr double kTop = 10.0;
constexpr double kBottom = 42.0;
constexpr double kCap = 4.0;      // half the end of an error bar
constexpr double kTickGap = 6.0;  // between labels
constexpr double kBarWidth = 1.4;

void paintSample(QPainter& painter, QPointF left, int tag) {
    painter.setPen(seriesPen(tag));
    painter.drawLine(left, left + QPointF(kSample - 6.0, 0.0));
    paintLaneMarker(painter, left + QPointF((kSample - 6.0) / 2.0, 0.0), kMarker, tag);
}

/// Left edges and widths of the entries, row by row; empty when they take more than `rows`.
std::vector<QRectF> flow(const std::vector<double>& widths, const QRectF& area, int rows) {
    std::vector<QRectF> places;
    double x = area.left();
    int row = 0;
    for (const double width : widths) {
        if (x > area.left() && x + width > area.right()) {
            x = area.left();
            ++row;
        }
        if (row >= rows || width > area.width()) return {};
        places.emplace_back(x, area.top() + row * kLegendRow, width, kLegendRow);
        x += width + kBetween;
    }
    return places;
}

/// As many columns as there must be for so many rows.
std::vector<QRectF> columns(std::size_t count, const QRectF& area, int rows) {
    const auto most_rows = static_cast<std::size_t>(std::max(rows, 1));
    const std::size_t fit = std::max<std::size_t>(
        1, static_cast<std::size_t>((area.width() + kBetween) / (kSample + kNarrowestName + kBetween)));
    const std::size_t wide = std::min(fit, (count + most_rows - 1) / most_rows);
    const double width = (area.width() - kBetween * static_cast<double>(wide - 1)) / static_cast<double>(wide);
    std::vector<QRectF> places;
    for (std::size_t i = 0; i < count; ++i) {
        places.emplace_back(area.left() + static_cast<double>(i % wide) * (width + kBetween),
                            area.top() + static_cast<double>(i / wide) * kLegendRow, width, kLegendRow);
    }
    return places;
}

void paintBreak(QPainter& painter, QPointF at) {
    painter.fillRect(QRectF(at.x() - 3.0, at.y() - 2.0, 6.0, 4.0), colours().base);
    painter.setPen(QPen(colours().strong_border, 1.0));
    for (const double shift : {-3.0, 3.0})
        painter.drawLine(at + QPointF(shift - 2.0, 5.0), at + QPointF(shift + 2.0, -5.0));
}

void paintHorizontalAxis(QPainter& painter, const QRectF& plot, const PlotAxes& axes) {
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.drawLine(plot.bottomLeft(), plot.bottomRight());
    painter.setFont(textFont(font_size::kTick));
    const QFontMetricsF metrics(painter.font());
    double taken = -1e9;
    for (const PlotTick& tick : axes.x_ticks) {
        const double x = plot.left() + tick.at * plot.width();
        painter.setPen(QPen(colours().strong_border, 1.0));
        painter.drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + 4.0));
        const double half = metrics.horizontalAdvance(tick.text) / 2.0;
        if (x - half < taken + kTickGap) continue;
        taken = x + half;
        painter.setPen(colours().muted_text);
        painter.drawText(QRectF(x - half - 2.0, plot.bottom() + 6.0, 2.0 * half + 4.0, 14.0), Qt::AlignCenter,
                         tick.text);
    }
    for (const double cut : axes.x_breaks)
        paintBreak(painter, QPointF(plot.left() + cut * plot.width(), plot.bottom()));
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    const QRectF title(plot.left() - kLeft, plot.bottom() + 22.0, plot.width() + kLeft + kRight, 16.0);
    painter.drawText(title, Qt::AlignCenter,
                     painter.fontMetrics().elidedText(axes.x_title, Qt::ElideRight, static_cast<int>(title.width())));
}

void paintVerticalAxis(QPainter& painter, const QRectF& plot, const PlotAxes& axes) {
    painter.setFont(textFont(font_size::kTick));
    for (const double value : axes.y.ticks()) {
        const double y = plot.bottom() - (value - axes.y.low) / (axes.y.high - axes.y.low) * plot.height();
        painter.setPen(QPen(colours().chart_grid, 1.0));
        if (y < plot.bottom() - 0.5) painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y));
        painter.setPen(colours().muted_text);
        const int decimals = axes.y_factor == 1.0 ? axes.y.decimals : 0;
        painter.drawText(QRectF(plot.left() - kLeft + 16.0, y - 8.0, kLeft - 22.0, 16.0),
                         Qt::AlignRight | Qt::AlignVCenter, format::fixed(value * axes.y_factor, decimals));
    }
    paintVerticalTitle(painter, QRectF(plot.left() - kLeft, plot.top() - kTop, 16.0, plot.height() + 2.0 * kTop),
                       axes.y_title);
}

}  // namespace

QRectF paintSeriesLegend(QPainter& painter, const QRectF& area, const std::vector<std::pair<QString, int>>& entries) {
    if (entries.empty()) return area;
    painter.setFont(monoFont(font_size::kCaption));
    const QFontMetricsF metrics(painter.font());
    const QRectF room = area.adjusted(8.0, 4.0, -8.0, 0.0);
    std::vector<double> widths;
    for (const auto& [name, tag] : entries)
        widths.push_back(kSample + std::ceil(metrics.horizontalAdvance(name)) + 2.0);
    const int rows = std::max(1, static_cast<int>(area.height() * kMostLegend / kLegendRow));
    std::vector<QRectF> places = flow(widths, room, rows);
    if (places.empty()) places = columns(entries.size(), room, rows);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const QRectF& place = places[i];
        paintSample(painter, QPointF(place.left(), place.center().y()), entries[i].second);
        painter.setPen(colours().text);
        const QRectF text = place.adjusted(kSample, 0.0, 1.0, 0.0);
        painter.drawText(text, Qt::AlignLeft | Qt::AlignVCenter,
                         metrics.elidedText(entries[i].first, Qt::ElideMiddle, text.width()));
    }
    QRectF left = area;
    left.setTop(places.back().bottom());
    return left;
}

QRectF plotWithin(const QRectF& area) {
    return area.adjusted(kLeft + 2.0, kTop, -kRight, -kBottom);
}

void paintAxes(QPainter& painter, const QRectF& plot, const PlotAxes& axes) {
    paintVerticalAxis(painter, plot, axes);
    if (axes.x_grid) {
        painter.setPen(QPen(colours().chart_grid, 1.0));
        for (const PlotTick& tick : axes.x_ticks) {
            const double x = plot.left() + tick.at * plot.width();
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()));
        }
    }
    paintHorizontalAxis(painter, plot, axes);
}

QPen seriesPen(int tag, double width) {
    // In pixels of a line that is 2 px wide; the eight differ also without colour.
    static const std::array<QList<qreal>, 8> kDashes = {
        {{}, {7, 3}, {2, 3}, {9, 3, 2, 3}, {12, 4}, {4, 2, 1, 2}, {5, 5}, {9, 2, 2, 2, 2, 2}}};
    QPen pen(laneColour(tag), width);
    QList<qreal> dashes = kDashes[static_cast<std::size_t>(std::max(tag, 0)) % kDashes.size()];
    for (qreal& length : dashes) length /= width;
    if (!dashes.isEmpty()) pen.setDashPattern(dashes);
    pen.setCapStyle(Qt::FlatCap);
    return pen;
}

double seriesShift(std::size_t index, std::size_t count) {
    constexpr double kShift = 4.0;
    return kShift * (static_cast<double>(index) - (static_cast<double>(count) - 1.0) / 2.0);
}

void paintErrorBar(QPainter& painter, double x, double low, double high, int tag) {
    painter.setPen(QPen(laneColour(tag), kBarWidth));
    painter.drawLine(QPointF(x, low), QPointF(x, high));
    for (const double end : {low, high}) painter.drawLine(QPointF(x - kCap, end), QPointF(x + kCap, end));
}

void paintSeriesMark(QPainter& painter, QPointF place, int tag, bool hollow) {
    paintLaneMarker(painter, place, kMarker, tag);
    if (!hollow) return;
    painter.setPen(Qt::NoPen);
    painter.setBrush(colours().base);
    painter.drawEllipse(place, 2.2, 2.2);
}

void paintSelectedMark(QPainter& painter, QPointF place) {
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(colours().accent, 2.0));
    painter.drawEllipse(place, 9.0, 9.0);
}

}  // namespace mixoscope
