#include "app/window/experiment_report_file.h"

#include <QApplication>

#include "app/window/platform.h"
#include "sessions/experiment_snapshot.h"
#include "views/experiment_report.h"
#include "views/theme.h"

namespace mixoscope {

void writeExperimentReport(int argc, char** argv, const std::filesystem::path& results,
                           const std::filesystem::path& out) {
    const ExperimentPointer experiment = readExperimentResults(results);
    nameRuntimeDirectory();
    drawOffscreenWithoutDisplay();
    QApplication application(argc, argv);
    QApplication::setApplicationVersion(QStringLiteral(MIXO_VERSION));
    Theme::install(application, ThemeChoice::kLight);
    saveReport(experimentReport(experiment, QDateTime::currentDateTimeUtc()), out, results);
}

}  // namespace mixoscope
