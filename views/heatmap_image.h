// From heatmap values to pixels, without a widget: what tests compare and exports scale.
#pragma once

#include <QImage>

#include "views/colour_map.h"
#include "views/heatmap_data.h"

namespace mixoscope {

/// How values become colours.
struct HeatmapColours {
    const ColourMap* map = nullptr;
    QRgb no_data = 0xFF808080;  // never a colour of the map
    float low = 0.0F;
    float high = 1.0F;

    bool operator==(const HeatmapColours&) const = default;
};
/// The map and the no-data colour of the theme for a value; `dense` is the map of values without a natural zero.
HeatmapColours heatmapColours(HeatmapValue value, float low, float high, bool dark,
                              ColourMapName dense = ColourMapName::kViridis);

/// One pixel a cell, Format_RGB32; row 0 on top.
QImage renderHeatmap(const HeatmapData& data, const HeatmapColours& colours);
/// Writes one column of an RGB32 image.
void renderColumn(std::span<const float> values, const HeatmapColours& colours, QImage& image, std::int32_t x);

}  // namespace mixoscope
