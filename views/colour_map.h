// Perceptually even colour maps: 256 entries, interpolated in OKLab between published or hand-made stops.
#pragma once

#include <QColor>
#include <QString>
#include <array>

namespace mixoscope {

/// Björn Ottosson's OKLab (https://bottosson.github.io/posts/oklab/): equal distances look equally different.
struct OkLab {
    double lightness = 0.0;  // 0 black … 1 white
    double a = 0.0;
    double b = 0.0;
};
OkLab toOkLab(QRgb colour);
QRgb fromOkLab(const OkLab& colour);
double distance(const OkLab& first, const OkLab& second);

enum class ColourMapName {
    kTide,     // sparse values with a true zero, which lies near the panel's colour
    kViridis,  // dense values without a natural zero; the same in both themes
    kCividis,  // a choice instead of viridis, made for colour-blind readers
    kSeesaw,   // differences, symmetric about 0
};
constexpr int kColourMapEntries = 256;

class ColourMap {
public:
    /// The map for the light or the dark theme; lives as long as the program.
    static const ColourMap& get(ColourMapName name, bool dark);

    /// 0 → first entry, 1 → last; beyond: clipped.
    QRgb at(double position) const {
        const double scaled = position * kColourMapEntries;
        if (!(scaled > 0.0)) return m_entries.front();
        return scaled >= kColourMapEntries ? m_entries.back() : m_entries[static_cast<std::size_t>(scaled)];
    }
    const std::array<QRgb, kColourMapEntries>& entries() const { return m_entries; }
    /// Before they were rounded to 8 bits.
    const std::array<OkLab, kColourMapEntries>& exactEntries() const { return m_exact; }

private:
    template <std::size_t N>
    explicit ColourMap(const std::array<QRgb, N>& stops);

    std::array<OkLab, kColourMapEntries> m_exact;
    std::array<QRgb, kColourMapEntries> m_entries;
};

}  // namespace mixoscope
