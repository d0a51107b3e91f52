#include "app/commands/model_options.h"

#include <charconv>

#include "app/resource_directory.h"
#include "engine/error.h"
#include "engine/model_description.h"

namespace mixoscope {

void ModelOptions::addModel(CLI::App& command) {
    std::string shapes;
    for (const std::string& name : randomModelNames()) shapes += (shapes.empty() ? "" : ", ") + name;
    command
        .add_option("--model", model,
                    "demo, demo-top1, demo-any, a Hugging Face directory, or random:NAME[:TYPE], random weights in the "
                    "shape " +
                        shapes + ", of type f32, f16 or bf16")
        ->capture_default_str();
}

void ModelOptions::addBackend(CLI::App& command) {
    command.add_option("--backend", backend, "cpu, cuda, or reference (plain loops, slow)")
        ->check(CLI::IsMember({"cpu", "cuda", "reference"}))
        ->capture_default_str();
    command.add_option("--device", device, "Number of the device of the cuda back end")
        ->check(CLI::Range(0, 63))
        ->capture_default_str();
    addThreads(command);
}

void ModelOptions::addHostBackend(CLI::App& command) {
    command.add_option("--backend", backend, "cpu, or reference (plain loops, slow)")
        ->check(CLI::IsMember({"cpu", "reference"}))
        ->capture_default_str();
    addThreads(command);
}

void ModelOptions::addThreads(CLI::App& command) {
    command.add_option("--threads", threads, "Threads of the cpu back end; 0: one for each core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
}

Model ModelOptions::open() const {
    return openModel(model, resourceDirectory() / "demo");
}

Model ModelOptions::openDescription() const {
    return openModelDescription(model, resourceDirectory() / "demo");
}

std::shared_ptr<LoadedModel> ModelOptions::load() const {
    WorkbenchOptions options;
    options.demo_directory = resourceDirectory() / "demo";
    options.backend = backend;
    options.threads = threads;
    options.device = device;
    return loadModel(model, options, nullptr);
}

std::unique_ptr<Processor> ModelOptions::processor(const Model& of) const {
    return makeProcessor(of, backend, threads, device, nullptr);
}

std::unique_ptr<kernels::Backend> ModelOptions::makeBackend() const {
    return backend == "reference" ? kernels::makeReferenceBackend() : kernels::makeCpuBackend(threads);
}

std::vector<TokenId> parseIds(const std::string& text, const std::string& option, std::int64_t vocab_size) {
    std::vector<TokenId> ids;
    std::string_view rest = text;
    while (true) {
        const std::size_t comma = rest.find(',');
        std::string_view part = rest.substr(0, comma);
        while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
        TokenId id = -1;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), id);
        if (error != std::errc{} || end != part.data() + part.size() || id < 0 || id >= vocab_size) {
            throw Error({.what = "This is no token id of the model",
                         .where = option + ", item " + std::to_string(ids.size() + 1),
                         .expected = "a whole number from 0 to " + std::to_string(vocab_size - 1),
                         .found = "\"" + std::string(part) + "\""});
        }
        ids.push_back(id);
        if (comma == std::string_view::npos) return ids;
        rest = rest.substr(comma + 1);
    }
}

}  // namespace mixoscope
