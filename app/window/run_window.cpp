#include "app/window/run_window.h"

#include <QApplication>
#include <QStandardPaths>
#include <QTimer>

#include "app/window/main_window.h"
#include "app/window/platform.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

std::filesystem::path sessionDirectoryDefault() {
    const QString data = QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation);
    return std::filesystem::path((data + u"/mixoscope/sessions"_s).toStdString());
}

ShownWindow::ShownWindow(const RunWindowOptions& options, const QString& settings_file) {
    const WindowSettings settings(settings_file);
    Theme::instance().setChoice(settings.theme());

    WorkbenchOptions workbench_options;
    workbench_options.demo_directory = options.demo_directory;
    workbench_options.record = options.record;
    workbench_options.threads = options.threads;
    workbench_options.session_directory = options.session_directory;
    if (workbench_options.session_directory.empty())
        workbench_options.session_directory = settings.sessionDirectory().toStdString();
    if (workbench_options.session_directory.empty()) workbench_options.session_directory = sessionDirectoryDefault();

    m_workbench = std::make_unique<Workbench>(workbench_options);
    m_window = std::make_unique<MainWindow>(
        *m_workbench, WindowOptions{.settings_file = settings_file, .source = {}, .engine = workbench_options});
    m_window->show();
    // The window is there first; model or session is opened behind it.
    if (options.model.empty()) return;
    QTimer::singleShot(0, m_window.get(), [window = m_window.get(), model = QString::fromStdString(options.model)] {
        window->open(model);
    });
}

ShownWindow::~ShownWindow() = default;

int runWindow(int argc, char** argv, const RunWindowOptions& options) {
    requireDisplay();
    nameRuntimeDirectory();
    QApplication application(argc, argv);
    QApplication::setApplicationName(u"mixoscope"_s);
    QApplication::setApplicationDisplayName(u"Mixoscope"_s);
    QApplication::setApplicationVersion(QStringLiteral(MIXO_VERSION));
    QApplication::setDesktopFileName(u"mixoscope"_s);
    Theme::install(application, ThemeChoice::kSystem);
    const ShownWindow shown(options, {});
    return QApplication::exec();
}

}  // namespace mixoscope
