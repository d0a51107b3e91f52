#include "views/theme.h"

#include <gtest/gtest.h>

#include <QApplication>
#include <QDirIterator>
#include <QFontInfo>
#include <QLabel>
#include <QSvgRenderer>

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class ThemeColoursTest : public testing::TestWithParam<bool> {
protected:
    const ThemeColours& c = GetParam() ? darkColours() : lightColours();
};

TEST_P(ThemeColoursTest, textReachesAaContrast) {
    const std::pair<QColor, QColor> pairs[] = {
        {c.text, c.window},
        {c.text, c.base},
        {c.text, c.alternate_row},
        {c.text, c.accent_background},
        {c.muted_text, c.window},
        {c.muted_text, c.base},
        {c.muted_text, c.alternate_row},
        {c.text_on_accent, c.accent},
        {c.accent, c.base},
        {c.accent, c.accent_background},
        {c.good, c.good_background},
        {c.warning, c.warning_background},
        {c.error, c.error_background},
        {c.good, c.base},
        {c.warning, c.base},
        {c.error, c.base},
        {c.phase[0], c.phase_band[0]},
        {c.phase[1], c.phase_band[1]},
        {c.phase[2], c.phase_band[2]},
    };
    for (const auto& [foreground, background] : pairs) {
        EXPECT_GE(contrastRatio(foreground, background), 4.5)
            << foreground.name().toStdString() << " on " << background.name().toStdString();
    }
}

TEST_P(ThemeColoursTest, outlinesAndSeriesReachThreeToOne) {
    EXPECT_GE(contrastRatio(c.strong_border, c.base), 3.0);
    for (const QColor& colour : c.series) EXPECT_GE(contrastRatio(colour, c.base), 3.0) << colour.name().toStdString();
    for (const QColor& colour : c.phase) EXPECT_GE(contrastRatio(colour, c.base), 3.0) << colour.name().toStdString();
}

INSTANTIATE_TEST_SUITE_P(LightAndDark, ThemeColoursTest, testing::Bool());

TEST(Theme, contrastRatioOfBlackAndWhiteIs21) {
    EXPECT_NEAR(contrastRatio(Qt::black, Qt::white), 21.0, 1e-9);
    EXPECT_EQ(readableTextOn(QColor(QRgb{0xFF1A235B})), QColor(Qt::white));
    EXPECT_EQ(readableTextOn(QColor(QRgb{0xFFC1E6E8})), QColor(QRgb{0xFF111418}));
}

TEST(Theme, switchesColoursPaletteAndStyleSheet) {
    Theme& theme = Theme::instance();
    theme.setChoice(ThemeChoice::kDark);
    EXPECT_TRUE(colours().dark);
    EXPECT_EQ(qApp->palette().color(QPalette::Base), darkColours().base);
    EXPECT_TRUE(qApp->styleSheet().contains(darkColours().accent_background.name()));
    theme.setChoice(ThemeChoice::kLight);
    EXPECT_FALSE(colours().dark);
    EXPECT_EQ(qApp->palette().color(QPalette::Base), lightColours().base);
    EXPECT_FALSE(qApp->styleSheet().contains(u'@')) << "a colour name without a colour";
}

TEST(Theme, aLabelThatBecomesAChipGetsTheRoomForIt) {
    QLabel label(u"thinking 60 of 60"_s);
    label.show();
    const int plain = label.sizeHint().width();
    const int text = QFontMetrics(textFont(font_size::kCaption)).horizontalAdvance(label.text());
    setRole(label, u"chip-thinking"_s);
    EXPECT_GE(label.sizeHint().width(), text + 18);
    setRole(label, {});
    EXPECT_EQ(label.sizeHint().width(), plain);
}

TEST(Theme, shipsItsFonts) {
    EXPECT_EQ(QFontInfo(textFont()).family(), u"Inter"_s);
    EXPECT_EQ(QFontInfo(monoFont()).family(), u"DejaVu Sans Mono"_s);
    EXPECT_TRUE(QFontInfo(monoFont()).fixedPitch());
    EXPECT_NEAR(QFontMetricsF(textFont(10.5)).ascent(), QFontMetricsF(textFont(21)).ascent() / 2, 0.6);
}

TEST(Theme, everyIconDrawsSomethingInTheColourAskedFor) {
    int icons = 0;
    for (QDirIterator files(u":/icons"_s); files.hasNext();) {
        const QString name = QFileInfo(files.next()).baseName();
        const QImage image = themedPixmap(name, QColor(Qt::red), 16, 2.0).toImage();
        EXPECT_EQ(image.width(), 32);
        bool coloured = name == u"mixoscope"_s;
        for (int y = 0; y < image.height(); ++y) {
            for (int x = 0; x < image.width(); ++x) coloured |= image.pixelColor(x, y) == QColor(Qt::red);
        }
        EXPECT_TRUE(coloured) << name.toStdString();
        ++icons;
    }
    EXPECT_GE(icons, 25);
}

}  // namespace
}  // namespace mixoscope
