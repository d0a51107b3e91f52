#include "app/window/run_window.h"

#include <QApplication>
#include <QStandardPaths>
#include <QTimer>

#include "app/window/main_window.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

std::filesystem::path sessionDirectoryDefault() {
    const QString data = QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation);
    return std::filesystem::path((data + u"/mixoscope/sessions"_s).toStdString());
}

int runWindow(int argc, char** argv, const RunWindowOptions& options) {
    QApplication application(argc, argv);
    QApplication::setApplicationName(u"mixoscope"_s);
    QApplication::setApplicationDisplayName(u"Mixoscope"_s);
    QApplication::setApplicationVersion(QStringLiteral(MIXO_VERSION));
    QApplication::setDesktopFileName(u"mixoscope"_s);
    const WindowSettings settings{QString()};
    Theme::install(application, settings.theme());

    WorkbenchOptions workbench_options;
    workbench_options.demo_directory = options.demo_directory;
    workbench_options.record = options.record;
    workbench_options.threads = options.threads;
    workbench_options.session_directory = options.session_directory;
    if (workbench_options.session_directory.empty())
        workbench_options.session_directory = settings.sessionDirectory().toStdString();
    if (workbench_options.session_directory.empty()) workbench_options.session_directory = sessionDirectoryDefault();

    Workbench workbench(workbench_options);
    MainWindow window(workbench, {});
    window.show();
    // The window is there first; the model is opened behind it.
    if (!options.model.empty()) {
        QTimer::singleShot(0, &window, [&] { window.openModel(QString::fromStdString(options.model)); });
    }
    return QApplication::exec();
}

}  // namespace mixoscope
