// --model, --backend and --threads: the options of every command that opens a model.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "engine/model.h"
#include "kernels/backend.h"
#include "sessions/loaded_model.h"

namespace mixoscope {

struct ModelOptions {
    std::string model = "demo";
    std::string backend = "cpu";
    int threads = 0;
    int device = 0;

    void addModel(CLI::App& command);
    void addBackend(CLI::App& command);
    /// The same without back ends that only run whole forward passes.
    void addHostBackend(CLI::App& command);

    Model open() const;
    /// The model without its weights.
    Model openDescription() const;
    /// The model with its back end and its identity for session files.
    std::shared_ptr<LoadedModel> load() const;
    /// Where the model's forward passes run.
    std::unique_ptr<Processor> processor(const Model& model) const;
    /// The kernels of a back end that addHostBackend() offers.
    std::unique_ptr<kernels::Backend> makeBackend() const;

private:
    void addThreads(CLI::App& command);
};

/// The ids of an option such as --ids 1,2,3. Throws Error for anything else than whole numbers within the vocabulary.
std::vector<TokenId> parseIds(const std::string& text, const std::string& option, std::int64_t vocab_size);

}  // namespace mixoscope
