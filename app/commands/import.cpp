// `mixoscope import`: routing that vLLM or SGLang recorded, as a session.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "sessions/routing_import.h"

namespace mixoscope {

namespace {

struct ImportOptions {
    std::string responses;
    std::string out;
    ModelOptions model;
};

}  // namespace

void addImportCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<ImportOptions>();
    CLI::App* command =
        program.add_subcommand("import", "Routing that vLLM or SGLang recorded (routed_experts), as a session");
    command->add_option("responses", options->responses, "Responses as JSON or JSON lines")->required();
    command->add_option("--out", options->out, "The session (.mixo), which must not exist yet")->required();
    command
        ->add_option(
            "--model", options->model.model,
            "The model that was served: demo, demo-top1, demo-any, or a Hugging Face directory with config.json "
            "and tokenizer.json; it needs no weights")
        ->capture_default_str();
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) {
            const ImportedRouting imported =
                importRouting(options->responses, options->model.openDescription(), options->out);
            streams.out << nlohmann::ordered_json{{"out", options->out},
                                                  {"engine", imported.engine},
                                                  {"sequences", imported.sequences},
                                                  {"tokens", imported.tokens},
                                                  {"rows", imported.rows},
                                                  {"rows_unrecorded", imported.rows_unrecorded}}
                               .dump()
                        << '\n';
            return kDone;
        };
    });
}

}  // namespace mixoscope
