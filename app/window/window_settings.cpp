#include "app/window/window_settings.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qsizetype kMostRecent = 8;

}  // namespace

WindowSettings::WindowSettings(const QString& file) {
    if (file == u"-"_s) return;
    m_settings = file.isEmpty() ? std::make_unique<QSettings>(u"mixoscope"_s, u"mixoscope"_s)
                                : std::make_unique<QSettings>(file, QSettings::IniFormat);
}

QVariant WindowSettings::value(const QString& key) const {
    return m_settings == nullptr ? QVariant() : m_settings->value(key);
}

void WindowSettings::set(const QString& key, const QVariant& value) {
    if (m_settings != nullptr) m_settings->setValue(key, value);
}

ThemeChoice WindowSettings::theme() const {
    const QString name = value(u"theme"_s).toString();
    return name == u"light"_s ? ThemeChoice::kLight : name == u"dark"_s ? ThemeChoice::kDark : ThemeChoice::kSystem;
}

void WindowSettings::setTheme(ThemeChoice choice) {
    set(u"theme"_s, choice == ThemeChoice::kLight  ? u"light"_s
                    : choice == ThemeChoice::kDark ? u"dark"_s
                                                   : u"system"_s);
}

ColourMapName WindowSettings::denseMap() const {
    return value(u"dense_colours"_s).toString() == u"cividis"_s ? ColourMapName::kCividis : ColourMapName::kViridis;
}

void WindowSettings::setDenseMap(ColourMapName map) {
    set(u"dense_colours"_s, map == ColourMapName::kCividis ? u"cividis"_s : u"viridis"_s);
}

QStringList WindowSettings::recentModels() const {
    return value(u"recent_models"_s).toStringList();
}

void WindowSettings::addRecentModel(const QString& directory) {
    addRecent(u"recent_models"_s, directory);
}

QStringList WindowSettings::recentExperiments() const {
    return value(u"recent_experiments"_s).toStringList();
}

void WindowSettings::addRecentExperiment(const QString& file) {
    addRecent(u"recent_experiments"_s, file);
}

QStringList WindowSettings::recentPolicies() const {
    return value(u"recent_policies"_s).toStringList();
}

void WindowSettings::addRecentPolicy(const QString& text) {
    addRecent(u"recent_policies"_s, text);
}

void WindowSettings::addRecent(const QString& key, const QString& text) {
    QStringList recent = value(key).toStringList();
    recent.removeAll(text);
    recent.prepend(text);
    set(key, recent.mid(0, kMostRecent));
}

QString WindowSettings::systemPrompt() const {
    return value(u"system_prompt"_s).toString();
}

void WindowSettings::setSystemPrompt(const QString& text) {
    set(u"system_prompt"_s, text);
}

QString WindowSettings::sessionDirectory() const {
    return value(u"session_directory"_s).toString();
}

void WindowSettings::setSessionDirectory(const QString& directory) {
    set(u"session_directory"_s, directory);
}

QByteArray WindowSettings::geometry() const {
    return value(u"window/geometry"_s).toByteArray();
}

void WindowSettings::setGeometry(const QByteArray& geometry) {
    set(u"window/geometry"_s, geometry);
}

QByteArray WindowSettings::layout(int width_class) const {
    return value(u"window/layout_%1"_s.arg(width_class)).toByteArray();
}

void WindowSettings::setLayout(int width_class, const QByteArray& layout) {
    set(u"window/layout_%1"_s.arg(width_class), layout);
}

QByteArray WindowSettings::comparisonLayout() const {
    return value(u"window/layout_compare"_s).toByteArray();
}

QByteArray WindowSettings::experimentLayout() const {
    return value(u"window/layout_experiments"_s).toByteArray();
}

void WindowSettings::setExperimentLayout(const QByteArray& layout) {
    set(u"window/layout_experiments"_s, layout);
}

void WindowSettings::setComparisonLayout(const QByteArray& layout) {
    set(u"window/layout_compare"_s, layout);
}

}  // namespace mixoscope
