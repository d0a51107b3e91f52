#include "views/colour_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "views/theme.h"

namespace mixoscope {
namespace {

std::pair<double, double> smallestAndLargestStep(const ColourMap& map) {
    double smallest = 1e9;
    double largest = 0.0;
    for (int i = 1; i < kColourMapEntries; ++i) {
        const double step = distance(map.exactEntries()[i - 1], map.exactEntries()[i]);
        smallest = std::min(smallest, step);
        largest = std::max(largest, step);
    }
    return {smallest, largest};
}

/// +1: rises everywhere in [first, last], −1: falls everywhere, 0: neither.
int direction(const ColourMap& map, int first, int last) {
    int rises = 0;
    int falls = 0;
    for (int i = first + 1; i <= last; ++i) {
        const double change = map.exactEntries()[i].lightness - map.exactEntries()[i - 1].lightness;
        ++(change > 0.0 ? rises : falls);
    }
    return falls == 0 ? 1 : rises == 0 ? -1 : 0;
}

TEST(ColourMap, okLabMatchesItsPublishedValuesAndInverts) {
    // From Ottosson's page: white is L = 1, a = b = 0; sRGB red is about (0.628, 0.225, 0.126).
    const OkLab white = toOkLab(0xFFFFFFFF);
    EXPECT_NEAR(white.lightness, 1.0, 1e-6);
    EXPECT_NEAR(white.a, 0.0, 1e-4);
    const OkLab red = toOkLab(0xFFFF0000);
    EXPECT_NEAR(red.lightness, 0.628, 1e-3);
    EXPECT_NEAR(red.a, 0.225, 1e-3);
    EXPECT_NEAR(red.b, 0.126, 1e-3);
    for (QRgb colour : {0xFF000000u, 0xFF1A235Bu, 0xFF8A3A00u, 0xFF6DA4D6u, 0xFFFFFFFFu}) {
        EXPECT_EQ(fromOkLab(toOkLab(colour)), colour);
    }
}

TEST(ColourMap, tideStepsAreEvenAndLightnessMonotone) {
    for (const bool dark : {false, true}) {
        const ColourMap& map = ColourMap::get(ColourMapName::kTide, dark);
        const auto [smallest, largest] = smallestAndLargestStep(map);
        EXPECT_GE(smallest, 0.9 * largest) << (dark ? "dark" : "light");
        EXPECT_EQ(direction(map, 0, kColourMapEntries - 1), dark ? 1 : -1);
    }
}

TEST(ColourMap, seesawIsEvenAndTurnsAtItsMiddle) {
    for (const bool dark : {false, true}) {
        const ColourMap& map = ColourMap::get(ColourMapName::kSeesaw, dark);
        // The two entries beside the turning point are nearer to each other; the arms are even.
        double smallest = 1e9;
        double largest = 0.0;
        for (int i = 1; i < kColourMapEntries; ++i) {
            if (i == kColourMapEntries / 2) continue;
            const double step = distance(map.exactEntries()[i - 1], map.exactEntries()[i]);
            smallest = std::min(smallest, step);
            largest = std::max(largest, step);
        }
        EXPECT_GE(smallest, 0.9 * largest);
        EXPECT_EQ(direction(map, 0, kColourMapEntries / 2 - 1), dark ? -1 : 1);
        EXPECT_EQ(direction(map, kColourMapEntries / 2, kColourMapEntries - 1), dark ? 1 : -1);
    }
}

TEST(ColourMap, viridisAndCividisRiseInLightnessInBothThemes) {
    for (const auto name : {ColourMapName::kViridis, ColourMapName::kCividis}) {
        EXPECT_EQ(&ColourMap::get(name, false), &ColourMap::get(name, true));
        EXPECT_EQ(direction(ColourMap::get(name, false), 0, kColourMapEntries - 1), 1);
    }
    EXPECT_EQ(ColourMap::get(ColourMapName::kViridis, false).entries().front(), 0xFF440154u);
    EXPECT_EQ(ColourMap::get(ColourMapName::kViridis, false).entries().back(), 0xFFFDE725u);
}

TEST(ColourMap, zeroOfTideIsNearThePanel) {
    EXPECT_LT(distance(toOkLab(ColourMap::get(ColourMapName::kTide, false).entries().front()),
                       toOkLab(lightColours().base.rgb())),
              0.03);
    EXPECT_LT(distance(toOkLab(ColourMap::get(ColourMapName::kTide, true).entries().front()),
                       toOkLab(darkColours().base.rgb())),
              0.03);
}

TEST(ColourMap, clipsBeyondItsEnds) {
    const ColourMap& map = ColourMap::get(ColourMapName::kTide, false);
    EXPECT_EQ(map.at(-1.0), map.entries().front());
    EXPECT_EQ(map.at(0.0), map.entries().front());
    EXPECT_EQ(map.at(1.0), map.entries().back());
    EXPECT_EQ(map.at(7.0), map.entries().back());
    EXPECT_EQ(map.at(std::nan("")), map.entries().front());
    EXPECT_EQ(map.at(0.5), map.entries()[128]);
}

}  // namespace
}  // namespace mixoscope
