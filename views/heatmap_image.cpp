#include "views/heatmap_image.h"

#include <cassert>
#include <cmath>

namespace mixoscope {

HeatmapColours heatmapColours(HeatmapValue value, float low, float high, bool dark, ColourMapName dense) {
    const auto name = hasTrueZero(value) ? ColourMapName::kTide : dense;
    return {.map = &ColourMap::get(name, dark), .no_data = dark ? 0xFF3A3A3A : 0xFFD9D9D9, .low = low, .high = high};
}

void renderColumn(std::span<const float> values, const HeatmapColours& colours, QImage& image, std::int32_t x) {
    assert(image.format() == QImage::Format_RGB32 && image.height() >= static_cast<int>(values.size()));
    const float scale = 1.0F / (colours.high - colours.low);
    uchar* pixel = image.bits() + static_cast<std::ptrdiff_t>(x) * 4;
    for (const float value : values) {
        const QRgb colour = std::isnan(value) ? colours.no_data : colours.map->at((value - colours.low) * scale);
        *reinterpret_cast<QRgb*>(pixel) = colour;
        pixel += image.bytesPerLine();
    }
}

QImage renderHeatmap(const HeatmapData& data, const HeatmapColours& colours) {
    QImage image(data.columns, data.rows, QImage::Format_RGB32);
    for (std::int32_t column = 0; column < data.columns; ++column) {
        renderColumn(data.column(column), colours, image, column);
    }
    return image;
}

}  // namespace mixoscope
