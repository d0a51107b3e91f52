#include "views/lane_style.h"

#include <QPainter>
#include <QPolygonF>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "views/theme.h"

namespace mixoscope {
namespace {

// After the five series of the theme: olive, slate and brick.
constexpr std::array<QRgb, 3> kFurtherLight = {0xFF6B6A00, 0xFF46637F, 0xFF9A3B3B};
constexpr std::array<QRgb, 3> kFurtherDark = {0xFFC9C64E, 0xFF9DB9D6, 0xFFEB9A94};

/// Corners of a regular polygon, or of a star if every second one lies at `inner`.
QPolygonF corners(QPointF centre, double radius, int count, double turn, double inner = 1.0) {
    QPolygonF polygon;
    for (int i = 0; i < count; ++i) {
        const double angle = turn + 2.0 * std::numbers::pi * i / count;
        const double reach = i % 2 == 0 ? radius : radius * inner;
        polygon << centre + QPointF(reach * std::sin(angle), -reach * std::cos(angle));
    }
    return polygon;
}

}  // namespace

QString laneLetter(std::int32_t tag) {
    return tag < 0 ? QString() : QString(QChar(static_cast<char16_t>(u'A' + tag)));
}

QColor laneColour(std::int32_t tag) {
    const ThemeColours& theme = colours();
    const auto index = static_cast<std::size_t>(std::max(tag, 0));
    if (index < theme.series.size()) return theme.series[index];
    const auto& further = theme.dark ? kFurtherDark : kFurtherLight;
    return QColor(further[(index - theme.series.size()) % further.size()]);
}

void paintLaneMarker(QPainter& painter, QPointF centre, double size, std::int32_t tag) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(laneColour(tag));
    const double radius = size / 2.0;
    constexpr double kHalf = std::numbers::pi;
    switch (tag) {
        case 1:
            painter.drawRect(QRectF(centre.x() - radius * 0.85, centre.y() - radius * 0.85, size * 0.85, size * 0.85));
            break;
        case 2:
            painter.drawPolygon(corners(centre + QPointF(0, radius * 0.15), radius * 1.1, 3, 0.0));
            break;
        case 3:
            painter.drawPolygon(corners(centre, radius * 1.1, 4, 0.0));
            break;
        case 4:
            painter.drawPolygon(corners(centre - QPointF(0, radius * 0.15), radius * 1.1, 3, kHalf));
            break;
        case 5:
            painter.drawPolygon(corners(centre, radius * 1.05, 5, 0.0));
            break;
        case 6:
            painter.drawPolygon(corners(centre, radius * 1.2, 10, 0.0, 0.45));
            break;
        case 7:
            painter.drawPolygon(corners(centre, radius * 1.2, 8, 0.0, 0.4));
            break;
        default:
            painter.drawEllipse(centre, radius, radius);
            break;
    }
    painter.restore();
}

}  // namespace mixoscope
