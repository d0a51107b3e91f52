// `mixoscope export`: a recorded session as tables, arrays, scalars or a timing trace, an experiment as a report.
#include <filesystem>
#include <memory>

#include "app/arguments.h"
#include "app/commands/command.h"
#ifdef MIXO_WITH_GUI
#include "app/window/experiment_report_file.h"
#else
#include "engine/error.h"
#endif
#include "sessions/csv_export.h"
#include "sessions/npz_export.h"
#include "sessions/perfetto_export.h"
#include "sessions/tensorboard_export.h"

namespace mixoscope {

namespace {

struct ExportOptions {
    std::string session;
    std::string csv_directory;
    std::string npz_file;
    std::string perfetto_file;
    std::string tensorboard_directory;
    std::string html_file;
};

void exportHtml(const std::filesystem::path& results, const std::filesystem::path& out) {
#ifdef MIXO_WITH_GUI
    std::string name = "mixoscope";
    char* arguments[] = {name.data(), nullptr};
    writeExperimentReport(1, arguments, results, out);
#else
    throw Error({.what = "This program was built without its window, whose charts a report shows",
                 .where = out.string() + ", of " + results.string(),
                 .advice = "Build it with Qt, or read results.csv"});
#endif
}

}  // namespace

void addExportCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<ExportOptions>();
    CLI::App* command = program.add_subcommand(
        "export", "A recorded session as tables, arrays, scalars or a timing trace; an experiment as a report");
    command->add_option("session", options->session, "Session file (.mixo), for --html the results of an experiment")
        ->required();
    auto* targets = command->add_option_group("targets", "One or more of");
    targets->add_option("--csv", options->csv_directory, "Directory for CSV tables; made if it isn't there");
    targets->add_option("--npz", options->npz_file, "File for the routing as NumPy arrays (.npz)");
    targets->add_option("--perfetto", options->perfetto_file, "File for the timing, for ui.perfetto.dev (.json)");
    targets->add_option("--tensorboard", options->tensorboard_directory,
                        "Directory for scalars over the steps, for TensorBoard; made if it isn't there");
    targets->add_option("--html", options->html_file, "File for the report of an experiment (.html)");
    targets->require_option(1, 0);
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) {
            const auto write = [&](const std::string& target, auto&& work) {
                if (target.empty()) return;
                work(std::filesystem::path(options->session), std::filesystem::path(target));
                streams.out << target << '\n';
            };
            write(options->csv_directory, exportCsv);
            write(options->npz_file, exportNpz);
            write(options->perfetto_file, exportPerfetto);
            write(options->tensorboard_directory, exportTensorBoard);
            write(options->html_file, exportHtml);
            return kDone;
        };
    });
}

}  // namespace mixoscope
