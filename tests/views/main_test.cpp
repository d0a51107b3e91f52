// main() of the view tests: an application with the shipped fonts and theme, on the offscreen platform.
#include <gtest/gtest.h>

#include <QApplication>

#include "views/theme.h"

int main(int argc, char** argv) {
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM")) qputenv("QT_QPA_PLATFORM", "offscreen");
    testing::InitGoogleTest(&argc, argv);
    QApplication application(argc, argv);
    mixoscope::Theme::install(application, mixoscope::ThemeChoice::kLight);
    return RUN_ALL_TESTS();
}
