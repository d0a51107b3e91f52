#include "views/format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

QT_BEGIN_NAMESPACE
void PrintTo(const QString& text, std::ostream* stream) {
    *stream << text.toStdString();
}
QT_END_NAMESPACE

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Format, countsHaveThousandsSeparatorsAndTrueMinus) {
    EXPECT_EQ(format::count(0), u"0"_s);
    EXPECT_EQ(format::count(999), u"999"_s);
    EXPECT_EQ(format::count(1024), u"1,024"_s);
    EXPECT_EQ(format::count(89'856), u"89,856"_s);
    EXPECT_EQ(format::count(1'234'567'890), u"1,234,567,890"_s);
    EXPECT_EQ(format::count(-1234), u"\u22121,234"_s);
    EXPECT_EQ(format::count(-123), u"\u2212123"_s);
}

TEST(Format, probabilitiesHaveFourDecimalsOrTwoSignificantDigits) {
    EXPECT_EQ(format::probability(0.22744), u"0.2274"_s);
    EXPECT_EQ(format::probability(1.0), u"1.0000"_s);
    EXPECT_EQ(format::probability(0.001), u"0.0010"_s);
    EXPECT_EQ(format::probability(0.00058), u"5.8e\u22124"_s);
    EXPECT_EQ(format::probability(0.00099999), u"0.0010"_s);
    EXPECT_EQ(format::probability(3.04e-12), u"3.0e\u221212"_s);
    EXPECT_EQ(format::probability(-0.00058), u"\u22125.8e\u22124"_s);
    EXPECT_EQ(format::probability(0.0), u"0"_s);
    EXPECT_EQ(format::probability(kNan), u"\u2013"_s);
}

TEST(Format, fixedRoundsToZeroWithoutSign) {
    EXPECT_EQ(format::fixed(-0.001, 2), u"0.00"_s);
    EXPECT_EQ(format::fixed(-1234.5, 1), u"\u22121,234.5"_s);
    EXPECT_EQ(format::entropy(0.876), u"0.88"_s);
    EXPECT_EQ(format::logProbability(-0.12061), u"\u22120.1206"_s);
    EXPECT_EQ(format::balance(kNan), u"\u2013"_s);
}

TEST(Format, timesChangeUnit) {
    EXPECT_EQ(format::milliseconds(2.7), u"2.70 ms"_s);
    EXPECT_EQ(format::milliseconds(9.999), u"10.0 ms"_s);
    EXPECT_EQ(format::milliseconds(38.04), u"38.0 ms"_s);
    EXPECT_EQ(format::milliseconds(500.0), u"500 ms"_s);
    EXPECT_EQ(format::milliseconds(999.6), u"1.00 s"_s);
    EXPECT_EQ(format::milliseconds(1250.0), u"1.25 s"_s);
    EXPECT_EQ(format::milliseconds(1'190'000.0), u"19 min 50 s"_s);
    EXPECT_EQ(format::milliseconds(59'999.0), u"1 min 0 s"_s);
    EXPECT_EQ(format::milliseconds(7'500'000.0), u"2 h 5 min"_s);
    EXPECT_EQ(format::milliseconds(-1.0), u"\u2013"_s);
    EXPECT_EQ(format::microseconds(2700), u"2.70 ms"_s);
}

TEST(Format, ratesAndSizes) {
    EXPECT_EQ(format::tokensPerSecond(31.42), u"31.4 tok/s"_s);
    EXPECT_EQ(format::tokensPerSecond(370.4), u"370 tok/s"_s);
    EXPECT_EQ(format::tokensPerSecond(99.97), u"100 tok/s"_s);
    EXPECT_EQ(format::tokensPerSecond(0.0), u"\u2013"_s);
    EXPECT_EQ(format::bytes(512), u"512 B"_s);
    EXPECT_EQ(format::bytes(318'200), u"318 KB"_s);
    EXPECT_EQ(format::bytes(999'600), u"1.0 MB"_s);
    EXPECT_EQ(format::bytes(1'100'000), u"1.1 MB"_s);
    EXPECT_EQ(format::bytes(78'900'000'000), u"78.9 GB"_s);
    EXPECT_EQ(format::bytes(121'000'000'000), u"121 GB"_s);
    EXPECT_EQ(format::percent(0.004), u"0.4 %"_s);
}

TEST(Format, budgetsAndCounters) {
    EXPECT_EQ(format::counter(186, 1024), u"186 / 1,024"_s);
    EXPECT_EQ(format::counter(4, kUnlimitedBudget), u"4 / unlimited"_s);
    EXPECT_EQ(format::budgetOnAxis(kUnlimitedBudget), u"∞"_s);
    EXPECT_EQ(format::range(0, 55), u"0\u201355"_s);
    EXPECT_EQ(format::range(7, 7), u"7"_s);
}

TEST(Format, tokenTextShowsWhatCannotBeSeen) {
    EXPECT_EQ(format::tokenText(" packs"), u"·packs"_s);
    EXPECT_EQ(format::tokenText("\n\n\t"), u"↵↵→"_s);
    EXPECT_EQ(format::tokenText("\xE2\x82"), u"\\xE282"_s);
    EXPECT_EQ(format::tokenText("a\xE2\x82\xAC"), u"a€"_s);
    EXPECT_EQ(format::tokenText("\xC0\x80"), u"\\xC080"_s);  // overlong
    EXPECT_EQ(format::tokenText(std::string_view("\0x", 2)), u"\\x00x"_s);
    EXPECT_EQ(format::tokenText(""), u""_s);
    EXPECT_EQ(format::plainText("a\xFF"), u"a\uFFFD"_s);
}

}  // namespace
}  // namespace mixoscope
