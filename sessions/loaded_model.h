// A model with the back end that runs it, and what is said about it to people and in session files.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/model.h"
#include "engine/processor.h"
#include "sessions/session_file.h"
#include "sessions/workbench.h"

namespace mixoscope {

struct LoadedModel {
    Model model;
    std::unique_ptr<Processor> backend;
    ModelFacts facts;       // context_tokens is known once a generation is made
    SessionModel identity;  // its shape likewise

    bool canChat() const { return model.tokenizer.has_value(); }
    /// Bytes of a token, "" without a tokenizer.
    std::string tokenBytes(TokenId id) const;
    /// Sampling for a mode: the Qwen3 model card's, and the checkpoint's own generation_config.json for the mode that
    /// it is made for.
    SamplingSettings sampling(ThinkingMode mode) const;
    /// The mode closest to `wanted` that the checkpoint has.
    ThinkingMode possibleMode(ThinkingMode wanted) const;
};

/// The processor of a back end's name: "cpu", "reference" or "cuda", on CUDA device `device`. Throws Error when there is
/// none, or the model does not fit into it. `log` may be null.
std::unique_ptr<Processor> makeProcessor(const Model& model, const std::string& backend, int threads, int device,
                                         const std::function<void(std::string_view)>& log);

/// "4 layers × 32 experts, top-4, BF16"; `type` of the weights may be empty.
std::string modelDescription(const ModelConfig& config, std::string_view type);

/// Throws Error. `log` is told each step.
std::shared_ptr<LoadedModel> loadModel(const std::string& name, const WorkbenchOptions& options,
                                       const std::function<void(std::string_view)>& log);

}  // namespace mixoscope
