// `mixoscope export`: a recorded session as CSV tables.
#include <filesystem>
#include <memory>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "sessions/csv_export.h"

namespace mixoscope {

namespace {

struct ExportOptions {
    std::string session;
    std::string csv_directory;
};

}  // namespace

void addExportCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<ExportOptions>();
    CLI::App* command = program.add_subcommand("export", "A recorded session as CSV tables");
    command->add_option("session", options->session, "Session file (.mixo)")->required();
    command->add_option("--csv", options->csv_directory, "Directory for the tables; made if it isn't there")
        ->required();
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) {
            exportCsv(options->session, options->csv_directory);
            streams.out << options->csv_directory << '\n';
            return kDone;
        };
    });
}

}  // namespace mixoscope
