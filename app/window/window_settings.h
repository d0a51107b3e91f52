// What the window remembers from one start to the next.
#pragma once

#include <QByteArray>
#include <QSettings>
#include <QStringList>
#include <memory>

#include "views/colour_map.h"
#include "views/theme.h"

namespace mixoscope {

class WindowSettings {
public:
    /// An empty file name: the user's own settings. "-": nothing is read or written.
    explicit WindowSettings(const QString& file);

    ThemeChoice theme() const;
    void setTheme(ThemeChoice choice);
    /// Viridis or cividis.
    ColourMapName denseMap() const;
    void setDenseMap(ColourMapName map);
    QStringList recentModels() const;
    void addRecentModel(const QString& directory);
    /// Experiment files and results.
    QStringList recentExperiments() const;
    void addRecentExperiment(const QString& file);
    QStringList recentPolicies() const;
    void addRecentPolicy(const QString& text);
    QString systemPrompt() const;
    void setSystemPrompt(const QString& text);
    QString sessionDirectory() const;
    void setSessionDirectory(const QString& directory);
    QByteArray geometry() const;
    void setGeometry(const QByteArray& geometry);
    /// Where the panels are, apart for each class of window widths.
    QByteArray layout(int width_class) const;
    void setLayout(int width_class, const QByteArray& layout);
    QByteArray comparisonLayout() const;
    void setComparisonLayout(const QByteArray& layout);
    QByteArray experimentLayout() const;
    void setExperimentLayout(const QByteArray& layout);

private:
    QVariant value(const QString& key) const;
    void addRecent(const QString& key, const QString& text);
    void set(const QString& key, const QVariant& value);

    std::unique_ptr<QSettings> m_settings;
};

}  // namespace mixoscope
