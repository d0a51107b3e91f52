#include "app/arguments.h"

#include <algorithm>
#include <exception>
#include <string>

#include "app/commands/command.h"
#include "engine/error.h"

namespace mixoscope {

namespace {

/// One line on the error stream, whatever the message holds.
void complain(std::ostream& err, std::string message) {
    while (!message.empty() && message.back() == '\n') message.pop_back();
    std::ranges::replace(message, '\n', ' ');
    err << "mixoscope: " << message << std::endl;
}

int runAction(const CommandAction& action, CommandStreams& streams) {
    try {
        const int status = action(streams);
        streams.out.flush();
        return status;
    } catch (const Error& error) {
        streams.out.flush();
        complain(streams.err, error.what());
        return kBadUsage;
    } catch (const std::bad_alloc&) {
        complain(streams.err, "there is not enough memory for this");
        return kWorkFailed;
    } catch (const std::exception& error) {
        complain(streams.err, error.what());
        return kWorkFailed;
    }
}

/// Adds every command to the program.
void addCommands(CLI::App& program, CommandAction& action) {
    addInfoCommand(program, action);
    addTokenizeCommand(program, action);
    addTraceCommand(program, action);
    addGenerateCommand(program, action);
    addExportCommand(program, action);
    addBenchCommand(program, action);
}

}  // namespace

int runProgram(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    CLI::App program("Looks inside Mixture-of-Experts reasoning models", "mixoscope");
    program.set_version_flag("--version", "mixoscope " MIXO_VERSION);
    program.require_subcommand(0, 1);
    CommandAction action;
    addCommands(program, action);
    try {
        program.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
        return program.exit(asked, out, err);
    } catch (const CLI::ParseError& error) {
        complain(err, error.what() + std::string(". See mixoscope --help"));
        return kBadUsage;
    }
    if (!action) {
        complain(err, "no command given. See mixoscope --help");
        return kBadUsage;
    }
    CommandStreams streams{.out = out, .err = err};
    return runAction(action, streams);
}

}  // namespace mixoscope
