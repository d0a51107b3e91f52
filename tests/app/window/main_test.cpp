// main() of the window tests: an application with the shipped fonts and theme, on an offscreen screen that the window
// fits.
#include <gtest/gtest.h>

#include <QApplication>
#include <QFile>
#include <QTemporaryDir>

#include "views/theme.h"

int main(int argc, char** argv) {
    // The offscreen platform's default screen is smaller than the window and would squeeze it.
    const QTemporaryDir directory;
    const QString config = directory.filePath(QStringLiteral("screen.json"));
    QFile file(config);
    if (file.open(QIODevice::WriteOnly)) {
        file.write(
            R"({"screens": [{"name": "test", "x": 0, "y": 0, "width": 1920, "height": 1200, "logicalDpi": 96, "logicalBaseDpi": 96, "dpr": 1}]})");
    }
    file.close();
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM") ||
        qEnvironmentVariable("QT_QPA_PLATFORM") == QLatin1String("offscreen")) {
        qputenv("QT_QPA_PLATFORM", "offscreen:configfile=" + config.toLocal8Bit());
    }
    testing::InitGoogleTest(&argc, argv);
    QApplication application(argc, argv);
    QApplication::setApplicationVersion(QStringLiteral("test"));
    mixoscope::Theme::install(application, mixoscope::ThemeChoice::kLight);
    return RUN_ALL_TESTS();
}
