#include "views/theme.h"

#include <QApplication>
#include <QFile>
#include <QFontDatabase>
#include <QIconEngine>
#include <QPainter>
#include <QPixmapCache>
#include <QProxyStyle>
#include <QStyle>
#include <QSvgRenderer>
#include <QWidget>
#include <algorithm>
#include <cassert>
#include <cmath>

#include "views/light_colours.h"

static void loadViewResources() {
    Q_INIT_RESOURCE(views);
}

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

Theme* the_theme = nullptr;
int light_colours = 0;  // LightColours that live

ThemeColours makeLight() {
    ThemeColours c;
    c.dark = false;
    c.window = QColor(QRgb{0xFFEFF1F4u});
    c.base = QColor(QRgb{0xFFFFFFFFu});
    c.alternate_row = QColor(QRgb{0xFFF6F7F9u});
    c.border = QColor(QRgb{0xFFD3D8DFu});
    c.strong_border = QColor(QRgb{0xFF818A98u});
    c.text = QColor(QRgb{0xFF1A1E26u});
    c.muted_text = QColor(QRgb{0xFF566070u});
    c.disabled_text = QColor(QRgb{0xFF8A929Fu});
    c.accent = QColor(QRgb{0xFF1D5FBFu});
    c.accent_background = QColor(QRgb{0xFFE2ECFAu});
    c.text_on_accent = QColor(QRgb{0xFFFFFFFFu});
    c.good = QColor(QRgb{0xFF0B6E4Fu});
    c.good_background = QColor(QRgb{0xFFE0F3EBu});
    c.warning = QColor(QRgb{0xFF8A5A00u});
    c.warning_background = QColor(QRgb{0xFFFFF3D6u});
    c.error = QColor(QRgb{0xFFB3261Eu});
    c.error_background = QColor(QRgb{0xFFFCE8E6u});
    c.chart_grid = QColor(QRgb{0xFFE4E7ECu});
    c.button_top = QColor(QRgb{0xFFFFFFFFu});
    c.button_bottom = QColor(QRgb{0xFFF2F4F7u});
    c.phase = {QColor(QRgb{0xFF5D677Au}), QColor(QRgb{0xFF5546C4u}), QColor(QRgb{0xFFA34A00u})};
    c.phase_band = {QColor(QRgb{0xFFE7EAEFu}), QColor(QRgb{0xFFECE9FBu}), QColor(QRgb{0xFFFCEBDAu})};
    c.series = {QColor(QRgb{0xFF1A1E26u}), QColor(QRgb{0xFF0065B3u}), QColor(QRgb{0xFFB85500u}),
                QColor(QRgb{0xFF00755Au}), QColor(QRgb{0xFFA0317Au})};
    return c;
}

ThemeColours makeDark() {
    ThemeColours c;
    c.dark = true;
    c.window = QColor(QRgb{0xFF22262Du});
    c.base = QColor(QRgb{0xFF16191Eu});
    c.alternate_row = QColor(QRgb{0xFF1B1F25u});
    c.border = QColor(QRgb{0xFF363C47u});
    c.strong_border = QColor(QRgb{0xFF6A7486u});
    c.text = QColor(QRgb{0xFFE7EAF0u});
    c.muted_text = QColor(QRgb{0xFFA7B0BFu});
    c.disabled_text = QColor(QRgb{0xFF6C7685u});
    c.accent = QColor(QRgb{0xFF7DB1FFu});
    c.accent_background = QColor(QRgb{0xFF1F3658u});
    c.text_on_accent = QColor(QRgb{0xFF0E1522u});
    c.good = QColor(QRgb{0xFF57C99Bu});
    c.good_background = QColor(QRgb{0xFF163528u});
    c.warning = QColor(QRgb{0xFFF0BE55u});
    c.warning_background = QColor(QRgb{0xFF3B2F12u});
    c.error = QColor(QRgb{0xFFFF8F85u});
    c.error_background = QColor(QRgb{0xFF472320u});
    c.chart_grid = QColor(QRgb{0xFF2B3038u});
    c.button_top = QColor(QRgb{0xFF30353Eu});
    c.button_bottom = QColor(QRgb{0xFF292E36u});
    c.phase = {QColor(QRgb{0xFF9AA4B4u}), QColor(QRgb{0xFFA99BFFu}), QColor(QRgb{0xFFF5A04Au})};
    c.phase_band = {QColor(QRgb{0xFF2B313Au}), QColor(QRgb{0xFF2A2647u}), QColor(QRgb{0xFF412C16u})};
    c.series = {QColor(QRgb{0xFFF0F2F6u}), QColor(QRgb{0xFF62B0F5u}), QColor(QRgb{0xFFF5A04Au}),
                QColor(QRgb{0xFF43C79Eu}), QColor(QRgb{0xFFEE8CC8u})};
    return c;
}

QByteArray readResource(const QString& path) {
    QFile file(path);
    const bool opened = file.open(QIODevice::ReadOnly);
    assert(opened);
    return opened ? file.readAll() : QByteArray();
}

void loadFonts() {
    for (const auto* name : {"Inter-Regular.otf", "Inter-Medium.otf", "Inter-SemiBold.otf", "DejaVuSansMono.ttf",
                             "DejaVuSansMono-Bold.ttf"}) {
        QFontDatabase::addApplicationFont(u":/fonts/"_s + QString::fromLatin1(name));
    }
}

QString styleSheetFor(const ThemeColours& c) {
    QString sheet = QString::fromUtf8(readResource(u":/themes/workbench.qss"_s));
    // Longer names first, so that @accent does not eat the beginning of @accent-background.
    const std::pair<QString, QColor> tokens[] = {
        {u"@alternate-row"_s, c.alternate_row},
        {u"@strong-border"_s, c.strong_border},
        {u"@muted-text"_s, c.muted_text},
        {u"@disabled-text"_s, c.disabled_text},
        {u"@accent-background"_s, c.accent_background},
        {u"@text-on-accent"_s, c.text_on_accent},
        {u"@good-background"_s, c.good_background},
        {u"@warning-background"_s, c.warning_background},
        {u"@error-background"_s, c.error_background},
        {u"@button-top"_s, c.button_top},
        {u"@button-bottom"_s, c.button_bottom},
        {u"@thinking-band"_s, c.phase_band[1]},
        {u"@answer-band"_s, c.phase_band[2]},
        {u"@prompt-band"_s, c.phase_band[0]},
        {u"@thinking"_s, c.phase[1]},
        {u"@answer"_s, c.phase[2]},
        {u"@prompt"_s, c.phase[0]},
        {u"@accent"_s, c.accent},
        {u"@window"_s, c.window},
        {u"@border"_s, c.border},
        {u"@base"_s, c.base},
        {u"@text"_s, c.text},
        {u"@good"_s, c.good},
        {u"@warning"_s, c.warning},
        {u"@error"_s, c.error},
    };
    for (const auto& [name, colour] : tokens) sheet.replace(name, colour.name());
    sheet.replace(u"%theme%"_s, c.dark ? u"dark"_s : u"light"_s);
    return sheet;
}

double linearChannel(double value) {
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

double relativeLuminance(const QColor& colour) {
    return 0.2126 * linearChannel(colour.redF()) + 0.7152 * linearChannel(colour.greenF()) +
           0.0722 * linearChannel(colour.blueF());
}

/// Fusion with tooltips after 300 ms instead of 700, and dialog buttons without icons.
class WorkbenchStyle : public QProxyStyle {
public:
    WorkbenchStyle() : QProxyStyle(u"Fusion"_s) {}
    int styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget,
                  QStyleHintReturn* result) const override {
        if (hint == SH_ToolTip_WakeUpDelay) return 300;
        if (hint == SH_DialogButtonBox_ButtonsHaveIcons) return 0;  // Fusion's know no dark theme
        return QProxyStyle::styleHint(hint, option, widget, result);
    }
};

/// Renders the icon in the colours of the theme in force at the time of painting, so icons survive a theme change.
class ThemedIconEngine : public QIconEngine {
public:
    explicit ThemedIconEngine(QString name) : m_name(std::move(name)) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) override {
        painter->drawPixmap(rect, scaledPixmap(rect.size(), mode, state, painter->device()->devicePixelRatioF()));
    }
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override {
        return scaledPixmap(size, mode, state, 1.0);
    }
    QPixmap scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State state, qreal scale) override {
        const auto& c = colours();
        const QColor colour = mode == QIcon::Disabled ? c.disabled_text : state == QIcon::On ? c.accent : c.text;
        return themedPixmap(m_name, colour, std::min(size.width(), size.height()), scale);
    }
    QIconEngine* clone() const override { return new ThemedIconEngine(m_name); }

private:
    QString m_name;
};

}  // namespace

const ThemeColours& lightColours() {
    static const ThemeColours colours = makeLight();
    return colours;
}

const ThemeColours& darkColours() {
    static const ThemeColours colours = makeDark();
    return colours;
}

LightColours::LightColours() {
    ++light_colours;
}

LightColours::~LightColours() {
    --light_colours;
}

const ThemeColours& colours() {
    return light_colours == 0 && the_theme != nullptr && the_theme->isDark() ? darkColours() : lightColours();
}

const QColor& phaseColour(Phase phase) {
    return colours().phase[static_cast<std::size_t>(phase)];
}

const QColor& phaseBand(Phase phase) {
    return colours().phase_band[static_cast<std::size_t>(phase)];
}

QString phaseName(Phase phase) {
    switch (phase) {
        case Phase::kPrompt:
            return QObject::tr("prompt");
        case Phase::kThinking:
            return QObject::tr("thinking");
        case Phase::kAnswer:
            return QObject::tr("answer");
    }
    return {};
}

QFont textFont(double pixels, QFont::Weight weight) {
    QFont font(u"Inter"_s);
    // Qt keeps pixel sizes as whole numbers; points allow halves: 1 px = 0.75 pt at 96 dpi, Qt's logical resolution.
    const double rounded = std::round(pixels);
    if (rounded == pixels) {
        font.setPixelSize(static_cast<int>(rounded));
    } else {
        font.setPointSizeF(pixels * 0.75);
    }
    font.setWeight(weight);
    return font;
}

QFont monoFont(double pixels, QFont::Weight weight) {
    QFont font = textFont(pixels, weight);
    font.setFamily(u"DejaVu Sans Mono"_s);
    font.setStyleHint(QFont::Monospace);
    return font;
}

QIcon themedIcon(const QString& name) {
    return QIcon(new ThemedIconEngine(name));
}

QPixmap themedPixmap(const QString& name, const QColor& colour, int logical_size, qreal device_pixel_ratio) {
    const QString key =
        u"mixo-icon/%1/%2/%3/%4"_s.arg(name, colour.name(QColor::HexArgb)).arg(logical_size).arg(device_pixel_ratio);
    QPixmap pixmap;
    if (QPixmapCache::find(key, &pixmap)) return pixmap;
    QByteArray svg = readResource(u":/icons/"_s + name + u".svg"_s);
    svg.replace("currentColor", colour.name().toLatin1());
    const int pixels = static_cast<int>(std::lround(logical_size * device_pixel_ratio));
    pixmap = QPixmap(pixels, pixels);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setOpacity(colour.alphaF());
    QSvgRenderer(svg).render(&painter, QRectF(0, 0, pixels, pixels));
    painter.end();
    pixmap.setDevicePixelRatio(device_pixel_ratio);
    QPixmapCache::insert(key, pixmap);
    return pixmap;
}

void setRole(QWidget& widget, const QString& role) {
    if (widget.property("role").toString() == role) return;
    widget.setProperty("role", role);
    // The style sheet is matched against properties only when a widget is polished.
    widget.style()->unpolish(&widget);
    widget.style()->polish(&widget);
    // A label takes the room for its padding when it is told that its style changed.
    QEvent change(QEvent::StyleChange);
    QCoreApplication::sendEvent(&widget, &change);
    widget.updateGeometry();
}

Theme::Theme(QApplication& application) : QObject(&application), m_application(application) {
    m_system_dark = application.palette().color(QPalette::Window).lightnessF() < 0.5F;
}

Theme& Theme::install(QApplication& application, ThemeChoice choice) {
    assert(the_theme == nullptr);
    loadViewResources();
    loadFonts();
    the_theme = new Theme(application);
    connect(the_theme, &QObject::destroyed, [] { the_theme = nullptr; });
    the_theme->m_choice = choice;
    application.setStyle(new WorkbenchStyle);
    application.setFont(textFont());
    the_theme->apply();
    return *the_theme;
}

Theme& Theme::instance() {
    assert(the_theme != nullptr);
    return *the_theme;
}

bool Theme::isDark() const {
    return m_choice == ThemeChoice::kDark || (m_choice == ThemeChoice::kSystem && m_system_dark);
}

void Theme::setChoice(ThemeChoice choice) {
    if (choice == m_choice) return;
    m_choice = choice;
    apply();
}

void Theme::apply() {
    QPixmapCache::clear();
    m_application.setPalette(paletteFor(colours()));
    m_application.setStyleSheet(styleSheetFor(colours()));
    Q_EMIT changed();
}

QPalette paletteFor(const ThemeColours& c) {
    QPalette palette;
    palette.setColor(QPalette::Window, c.window);
    palette.setColor(QPalette::WindowText, c.text);
    palette.setColor(QPalette::Base, c.base);
    palette.setColor(QPalette::AlternateBase, c.alternate_row);
    palette.setColor(QPalette::Text, c.text);
    palette.setColor(QPalette::PlaceholderText, c.muted_text);
    palette.setColor(QPalette::Button, c.button_bottom);
    palette.setColor(QPalette::ButtonText, c.text);
    palette.setColor(QPalette::BrightText, c.error);
    palette.setColor(QPalette::Highlight, c.accent);
    palette.setColor(QPalette::HighlightedText, c.text_on_accent);
    palette.setColor(QPalette::Link, c.accent);
    palette.setColor(QPalette::LinkVisited, c.accent);
    palette.setColor(QPalette::ToolTipBase, c.base);
    palette.setColor(QPalette::ToolTipText, c.text);
    palette.setColor(QPalette::Light, c.dark ? c.button_top : c.base);
    palette.setColor(QPalette::Midlight, c.window);
    palette.setColor(QPalette::Mid, c.border);
    palette.setColor(QPalette::Dark, c.strong_border);
    palette.setColor(QPalette::Shadow, c.strong_border);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::PlaceholderText}) {
        palette.setColor(QPalette::Disabled, role, c.disabled_text);
    }
    palette.setColor(QPalette::Disabled, QPalette::Highlight, c.border);
    palette.setColor(QPalette::Disabled, QPalette::HighlightedText, c.disabled_text);
    return palette;
}

double contrastRatio(const QColor& first, const QColor& second) {
    const double a = relativeLuminance(first);
    const double b = relativeLuminance(second);
    return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

QColor readableTextOn(const QColor& background) {
    const QColor dark(0x111418u);
    const QColor white(0xFFFFFFu);
    return contrastRatio(background, white) > contrastRatio(background, dark) ? white : dark;
}

}  // namespace mixoscope
