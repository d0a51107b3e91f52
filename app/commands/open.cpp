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

/// A session file is no model: says which commands show it.
void refuseSession(const std::filesystem::path& model) {
    std::error_code failure;
    if (model.extension() != ".mixo" || std::filesystem::is_directory(model, failure)) return;
    if (!std::filesystem::exists(model, failure)) {
        throw Error({.what = "The session cannot be opened",
                     .where = model.string(),
                     .expected = "a session file",
                     .found = "no such file"});
    }
    const std::string name = model.stem().string();
    throw Error({.what = "This is a recorded session; the window cannot show one yet, only models",
                 .where = model.string(),
                 .expected = "demo, or a Hugging Face directory",
                 .found = "a session file",
                 .advice = "A picture of it: mixoscope screenshot --session " + model.string() + " --out " + name +
                           ".png. Its tables: mixoscope export " + model.string() + " --csv " + name + "-csv"});
}

}  // namespace

void addOpenCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<OpenOptions>();
    CLI::App* command = program.add_subcommand("open", "The workbench in its window (also without the word open)");
    command->add_option("model", options->model, "demo, demo-top1, demo-any, or a Hugging Face directory")
        ->capture_default_str();
    command->add_option("--sessions", options->session_directory, "Directory that sessions are written to");
    command->add_flag("--no-record", options->no_record, "Write no session file");
    command->add_option("--threads", options->threads, "Threads of the engine; 0: one for each core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    command->callback([options, &action] {
        action = [options](CommandStreams&) {
            refuseSession(options->model);
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
