#include "views/colour_map.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {
namespace {

double toLinear(double value) {
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

double fromLinear(double value) {
    return value <= 0.0031308 ? value * 12.92 : 1.055 * std::pow(value, 1.0 / 2.4) - 0.055;
}

int toByte(double linear) {
    return static_cast<int>(std::lround(255.0 * std::clamp(fromLinear(linear), 0.0, 1.0)));
}

OkLab mix(const OkLab& from, const OkLab& to, double share) {
    return {std::lerp(from.lightness, to.lightness, share), std::lerp(from.a, to.a, share),
            std::lerp(from.b, to.b, share)};
}

using Stops = std::array<QRgb, 9>;
constexpr Stops kTideLight = {0xFFF7FBFB, 0xFFC1E6E8, 0xFF8ACFDB, 0xFF56B5D1, 0xFF2698C5,
                              0xFF0079B5, 0xFF0C5A9D, 0xFF193C7F, 0xFF1A235B};
constexpr Stops kTideDark = {0xFF16191D, 0xFF1A2F49, 0xFF084A73, 0xFF006997, 0xFF008AB1,
                             0xFF01ACC3, 0xFF67C8CE, 0xFFACE0DC, 0xFFEBF4F2};
// Nine even samples of the tables published in matplotlib's _cm_listed.py: viridis by Nathaniel Smith and Stéfan van
// der Walt, cividis by Nuñez, Anderton and Renslow (doi 10.1371/journal.pone.0199239).
constexpr Stops kViridisStops = {0xFF440154, 0xFF472D7B, 0xFF3B528B, 0xFF2C728E, 0xFF21908C,
                                 0xFF28AE80, 0xFF5DC963, 0xFFABDC32, 0xFFFDE725};
constexpr Stops kCividisStops = {0xFF00224E, 0xFF1A386F, 0xFF434E6C, 0xFF61656F, 0xFF7C7B78,
                                 0xFF9B9376, 0xFFBBAD6C, 0xFFDDC958, 0xFFFEE838};
constexpr std::array<QRgb, 5> kSeesawLight = {0xFF0B4A8F, 0xFF6DA4D6, 0xFFF4F5F6, 0xFFDE9355, 0xFF8A3A00};
constexpr std::array<QRgb, 5> kSeesawDark = {0xFF7CC0FF, 0xFF3C6C9F, 0xFF23272E, 0xFF965E30, 0xFFFFB168};

}  // namespace

OkLab toOkLab(QRgb colour) {
    const double r = toLinear(qRed(colour) / 255.0);
    const double g = toLinear(qGreen(colour) / 255.0);
    const double b = toLinear(qBlue(colour) / 255.0);
    const double l = std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
    const double m = std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
    const double s = std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
    return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
            1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

QRgb fromOkLab(const OkLab& colour) {
    const double l = std::pow(colour.lightness + 0.3963377774 * colour.a + 0.2158037573 * colour.b, 3);
    const double m = std::pow(colour.lightness - 0.1055613458 * colour.a - 0.0638541728 * colour.b, 3);
    const double s = std::pow(colour.lightness - 0.0894841775 * colour.a - 1.2914855480 * colour.b, 3);
    return qRgb(toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
                toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                toByte(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s));
}

double distance(const OkLab& first, const OkLab& second) {
    return std::hypot(first.lightness - second.lightness, first.a - second.a, first.b - second.b);
}

template <std::size_t N>
ColourMap::ColourMap(const std::array<QRgb, N>& stops) {
    std::array<OkLab, N> exact_stops;
    std::transform(stops.begin(), stops.end(), exact_stops.begin(), toOkLab);
    for (std::size_t i = 0; i < m_entries.size(); ++i) {
        const double position = static_cast<double>(i) / (kColourMapEntries - 1) * (N - 1);
        const std::size_t stop = std::min(static_cast<std::size_t>(position), N - 2);
        m_exact[i] = mix(exact_stops[stop], exact_stops[stop + 1], position - static_cast<double>(stop));
        m_entries[i] = fromOkLab(m_exact[i]);
    }
}

const ColourMap& ColourMap::get(ColourMapName name, bool dark) {
    static const ColourMap tide_light(kTideLight);
    static const ColourMap tide_dark(kTideDark);
    static const ColourMap viridis(kViridisStops);
    static const ColourMap cividis(kCividisStops);
    static const ColourMap seesaw_light(kSeesawLight);
    static const ColourMap seesaw_dark(kSeesawDark);
    switch (name) {
        case ColourMapName::kTide:
            return dark ? tide_dark : tide_light;
        case ColourMapName::kViridis:
            return viridis;
        case ColourMapName::kCividis:
            return cividis;
        case ColourMapName::kSeesaw:
            break;
    }
    return dark ? seesaw_dark : seesaw_light;
}

}  // namespace mixoscope
