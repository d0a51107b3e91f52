// Routing that other engines recorded, as a session: the same views and exports then show it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/model.h"

namespace mixoscope {

struct ImportedRouting {
    std::string engine;  // "vLLM", "SGLang", or both
    std::int64_t sequences = 0;
    std::int64_t tokens = 0;
    std::int64_t rows = 0;             // tokens with a row, of which
    std::int64_t rows_unrecorded = 0;  // the engine recorded no experts
};

/// Reads responses (sessions/routed_responses.h) and writes a new session in which each of their sequences is a turn
/// that begins at position 0. What such responses do not tell is left unrecorded: weights, probabilities, times,
/// settings. `model` needs no weights; without a tokenizer tokens have no text and no phase but prompt and answer.
/// Throws Error naming file and field, and leaves no file then.
ImportedRouting importRouting(const std::filesystem::path& responses, const Model& model,
                              const std::filesystem::path& session);

}  // namespace mixoscope
