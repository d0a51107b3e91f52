#include "app/window/platform.h"

#include <unistd.h>

#include <QDir>
#include <QFile>

#include "engine/error.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

void nameRuntimeDirectory() {
    if (!qEnvironmentVariableIsEmpty("XDG_RUNTIME_DIR")) return;
    // Qt makes the folder with rights for its owner only, and refuses one that is somebody else's.
    const QString directory = u"%1/runtime-%2"_s.arg(QDir::tempPath()).arg(geteuid());
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(directory));
}

namespace {

bool hasPlatform() {
    return !qEnvironmentVariableIsEmpty("DISPLAY") || !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY") ||
           !qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM");
}

}  // namespace

void requireDisplay() {
    if (hasPlatform()) return;
    throw Error({.what = "There is no display for the window",
                 .where = "the environment",
                 .expected = "DISPLAY or WAYLAND_DISPLAY",
                 .found = "neither",
                 .advice = "Without a display: mixoscope generate, compare, screenshot; mixoscope --help lists all"});
}

void drawOffscreenWithoutDisplay() {
    if (!hasPlatform()) qputenv("QT_QPA_PLATFORM", "offscreen");
}

}  // namespace mixoscope
