// What all commands share: their streams, and the form in which each adds itself to the program.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>

namespace mixoscope {

struct CommandStreams {
    std::ostream& out;
    std::ostream& err;
};

/// What to run once the whole command line is understood; returns the exit status.
using CommandAction = std::function<int(CommandStreams&)>;

// Each adds one command, with its options, and sets `action` when the command line names it.
void addInfoCommand(CLI::App& program, CommandAction& action);
void addCalibrateCommand(CLI::App& program, CommandAction& action);
void addPoliciesCommand(CLI::App& program, CommandAction& action);
void addTokenizeCommand(CLI::App& program, CommandAction& action);
void addTraceCommand(CLI::App& program, CommandAction& action);
void addCompareCommand(CLI::App& program, CommandAction& action);
void addGenerateCommand(CLI::App& program, CommandAction& action);
void addExportCommand(CLI::App& program, CommandAction& action);
void addImportCommand(CLI::App& program, CommandAction& action);
void addBenchCommand(CLI::App& program, CommandAction& action);
void addSweepCommand(CLI::App& program, CommandAction& action);
#ifdef MIXO_WITH_GUI
void addOpenCommand(CLI::App& program, CommandAction& action);
void addReplayCommand(CLI::App& program, CommandAction& action);
void addScreenshotCommand(CLI::App& program, CommandAction& action);
#endif

}  // namespace mixoscope
