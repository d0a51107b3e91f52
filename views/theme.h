// Colours, fonts and icons of the workbench: one table for the light and one for the dark theme. Widgets take their
// colours from the palette and the style sheet made from it, painters from colours().
#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QObject>
#include <QPalette>
#include <QString>
#include <array>

#include "engine/step_trace.h"

class QApplication;
class QWidget;

namespace mixoscope {

struct ThemeColours {
    bool dark = false;
    QColor window, base, alternate_row;
    QColor border;         // of panels: decoration
    QColor strong_border;  // of controls and axes
    QColor text, muted_text, disabled_text;
    QColor accent, accent_background, text_on_accent;
    QColor good, good_background;
    QColor warning, warning_background;
    QColor error, error_background;
    QColor chart_grid;
    QColor button_top, button_bottom;
    std::array<QColor, kPhaseCount> phase;       // by Phase
    std::array<QColor, kPhaseCount> phase_band;  // behind text of that phase
    std::array<QColor, 5> series;                // lanes and series, in order
};
const ThemeColours& lightColours();
const ThemeColours& darkColours();

/// Colours of the theme in force.
const ThemeColours& colours();
const QColor& phaseColour(Phase phase);
const QColor& phaseBand(Phase phase);
QString phaseName(Phase phase);

namespace font_size {
constexpr int kChat = 14;
constexpr int kInterface = 13;
constexpr double kDockTitle = 12.5;
constexpr int kTable = 12;
constexpr int kCaption = 11;
constexpr double kTick = 10.5;  // smallest allowed
constexpr int kHeading = 26;
}  // namespace font_size

/// Inter, for text.
QFont textFont(double pixels = font_size::kInterface, QFont::Weight weight = QFont::Normal);
/// DejaVu Sans Mono, for whatever is read digit by digit or changes while one looks.
QFont monoFont(double pixels = font_size::kTable, QFont::Weight weight = QFont::Normal);

/// resources/icons/NAME.svg in the colour of the theme. Default colours: text, disabled text; on accent when checked.
QIcon themedIcon(const QString& name);
QPixmap themedPixmap(const QString& name, const QColor& colour, int logical_size, qreal device_pixel_ratio);

/// The look of a label or button follows its "role" property, which the style sheet names.
void setRole(QWidget& widget, const QString& role);

enum class ThemeChoice { kSystem, kLight, kDark };

/// The theme of the application; there is one, made by install().
class Theme : public QObject {
    Q_OBJECT

public:
    /// Loads fonts, sets style, palette and style sheet. Call once, right after the QApplication was made.
    static Theme& install(QApplication& application, ThemeChoice choice = ThemeChoice::kSystem);
    static Theme& instance();

    ThemeChoice choice() const { return m_choice; }
    void setChoice(ThemeChoice choice);
    bool isDark() const;

Q_SIGNALS:
    /// The colours changed; widgets also get a PaletteChange event.
    void changed();

private:
    explicit Theme(QApplication& application);
    void apply();

    QApplication& m_application;
    ThemeChoice m_choice = ThemeChoice::kSystem;
    bool m_system_dark = false;
};

QPalette paletteFor(const ThemeColours& colours);
/// WCAG 2 contrast ratio of two opaque colours, 1 … 21.
double contrastRatio(const QColor& first, const QColor& second);
/// White or #111418, whichever contrasts more with `background`.
QColor readableTextOn(const QColor& background);

}  // namespace mixoscope
