// `mixoscope open`: the workbench in its window.
#ifdef MIXO_WITH_GUI
#include <filesystem>
#include <memory>
#include <string>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/resource_directory.h"
#include "app/window/run_window.h"
#include "engine/error.h"

namespace mixoscope {

namespace {

struct OpenOptions {
    std::string model = "demo";
    std::string session_directory;
    bool no_record = false;
    int threads = 0;
};

/// What a window could only show an error of is refused before there is one.
void requireFile(const std::filesystem::path& path) {
    std::error_code failure;
    const bool experiment = path.extension() == ".json";
    if ((path.extension() != ".mixo" && !experiment) || std::filesystem::exists(path, failure)) return;
    throw Error({.what = experiment ? "The experiment cannot be opened" : "The session cannot be opened",
                 .where = path.string(),
                 .expected = experiment ? "an experiment file" : "a session file",
                 .found = "no such file"});
}

}  // namespace

void addOpenCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<OpenOptions>();
    CLI::App* command = program.add_subcommand("open", "The workbench in its window (also without the word open)");
    command
        ->add_option("model", options->model,
                     "demo, demo-top1, demo-any, a Hugging Face directory, a recorded session or the results of an "
                     "experiment (.mixo), or an experiment (.json)")
        ->capture_default_str();
    command->add_option("--sessions", options->session_directory, "Directory that sessions are written to");
    command->add_flag("--no-record", options->no_record, "Write no session file");
    command->add_option("--threads", options->threads, "Threads of the engine; 0: one for each core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    command->callback([options, &action] {
        action = [options](CommandStreams&) {
            requireFile(options->model);
            std::string name = "mixoscope";
            char* arguments[] = {name.data(), nullptr};
            return runWindow(1, arguments,
                             {.model = options->model,
                              .demo_directory = resourceDirectory() / "demo",
                              .session_directory = options->session_directory,
                              .record = !options->no_record,
                              .threads = options->threads});
        };
    });
}

}  // namespace mixoscope
#endif
