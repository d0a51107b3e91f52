// An experiment's results as one HTML file that needs nothing else: tables, charts, settings, where it was run.
#pragma once

#include <QDateTime>
#include <QString>

#include "sessions/experiment_snapshot.h"

namespace mixoscope {

/// What `experiment`, which has a frame, holds so far, in the light theme, as a file in UTF-8; also well-formed XML.
/// Needs a QApplication with a Theme, whose version is named as the report's; GUI thread.
QString experimentReport(const ExperimentPointer& experiment, const QDateTime& written);

/// Writes the text there as a whole or not at all; `source` is never replaced. May run on any thread. Throws Error.
void saveReport(const QString& report, const std::filesystem::path& file, const std::filesystem::path& source);

}  // namespace mixoscope
