#include "app/arguments.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "app/commands/command.h"
#include "app/nearest_word.h"
#include "engine/error.h"
#include "engine/model.h"
#include "sessions/routing_replay.h"

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
#ifdef MIXO_WITH_GUI
    addOpenCommand(program, action);
    addReplayCommand(program, action);
    addScreenshotCommand(program, action);
#endif
    addInfoCommand(program, action);
    addCalibrateCommand(program, action);
    addPoliciesCommand(program, action);
    addTokenizeCommand(program, action);
    addTraceCommand(program, action);
    addGenerateCommand(program, action);
    addCompareCommand(program, action);
    addExportCommand(program, action);
    addImportCommand(program, action);
    addSweepCommand(program, action);
    addBenchCommand(program, action);
}

bool isCommand(CLI::App& program, const std::string& word) {
    return !program.get_subcommands([&](const CLI::App* command) { return command->get_name() == word; }).empty();
}

/// Whether the word names what `open` opens: a model, a recorded session, an experiment.
bool canBeOpened([[maybe_unused]] const std::string& word) {
#ifdef MIXO_WITH_GUI
    std::error_code error;
    return isEmbeddedModel(word) || word.starts_with("random:") || word.ends_with(".mixo") || word.ends_with(".json") ||
           word.find('/') != std::string::npos || std::filesystem::exists(word, error);
#else
    return false;
#endif
}

/// The arguments, with the word `open` put in where it was left out: before nothing at all, and before a
/// model, a recorded session or an experiment.
std::vector<const char*> withCommand(CLI::App& program, int argc, const char* const* argv) {
    std::vector<const char*> arguments(argv, argv + argc);
    const std::string first = argc > 1 ? argv[1] : "demo";
    if (canBeOpened(first) && !isCommand(program, first)) arguments.insert(arguments.begin() + 1, "open");
    return arguments;
}

/// Refuses a first word that is neither option nor command. Throws Error.
void requireCommand(CLI::App& program, const std::vector<const char*>& arguments) {
    const std::string first = arguments.size() > 1 ? arguments[1] : "";
    if (first.empty() || first.front() == '-' || isCommand(program, first)) return;
    std::vector<std::string> words;
    for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; }))
        words.push_back(command->get_name());
    for (const char* model : {"demo", "demo-top1", "demo-any"}) {
        if (canBeOpened(model)) words.emplace_back(model);
    }
    const std::string nearest = nearestWord(first, words);
    throw Error({.what = "There is no such command",
                 .expected = canBeOpened("demo") ? "a command, a model or a recorded session" : "a command",
                 .found = '"' + first + '"',
                 .advice = (nearest.empty() ? "" : "Did you mean " + nearest + "? ") + "See mixoscope --help"});
}

}  // namespace

int runProgram(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    offerSessionsToReplay();
    CLI::App program("Looks inside Mixture-of-Experts reasoning models", "mixoscope");
    program.set_version_flag("--version", "mixoscope " MIXO_VERSION);
    program.require_subcommand(0, 1);
    CommandAction action;
    addCommands(program, action);
    const std::vector<const char*> arguments = withCommand(program, argc, argv);
    try {
        requireCommand(program, arguments);
        program.parse(static_cast<int>(arguments.size()), arguments.data());
    } catch (const CLI::Success& asked) {  // --help, --version
        return program.exit(asked, out, err);
    } catch (const CLI::ParseError& error) {
        complain(err, error.what() + std::string(". See mixoscope --help"));
        return kBadUsage;
    } catch (const Error& error) {
        complain(err, error.what());
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
