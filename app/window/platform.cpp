#include "app/window/platform.h"

#include <unistd.h>

#include <QDir>
#include <QFile>

namespace mixoscope {

using namespace Qt::StringLiterals;

void nameRuntimeDirectory() {
    if (!qEnvironmentVariableIsEmpty("XDG_RUNTIME_DIR")) return;
    // Qt makes the folder with rights for its owner only, and refuses one that is somebody else's.
    const QString directory = u"%1/runtime-%2"_s.arg(QDir::tempPath()).arg(geteuid());
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(directory));
}

void drawOffscreenWithoutDisplay() {
    const bool chosen = !qEnvironmentVariableIsEmpty("DISPLAY") || !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY") ||
                        !qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM");
    if (!chosen) qputenv("QT_QPA_PLATFORM", "offscreen");
}

}  // namespace mixoscope
